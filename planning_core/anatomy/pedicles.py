"""Pedicles: the two bridges beside the canal, followed from the body backwards and measured where they are narrowest."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.body import Canal
from planning_core.anatomy.vertebra import Pedicle, Side
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray

REACH_MM = 14.0
WINDOW_MM = 20.0
STEP_MM = 0.5
LARGEST_TILT_DEG = 45.0


def measure_pedicles(whole: DistanceField, canal: Canal, to_ct: RigidTransform) -> dict[Side, Pedicle]:
    """Both pedicles of a vertebra in its own frame; a side without a bridge is left out.

    The axis is a line through the centres of the cross-sections from just in front of the posterior wall to behind the
    canal's middle; the isthmus is the cross-section perpendicular to it with the least area.
    """
    found = {}
    for side, sign in ((Side.LEFT, 1.0), (Side.RIGHT, -1.0)):
        centres = _frontal_centres(whole, canal, sign)
        if len(centres) < 4:
            continue
        axis = _direction(centres)
        middle = np.median(centres, axis=0)
        for _ in range(2):
            isthmus = _isthmus(whole, canal, middle, axis, sign)
            if isthmus is None:
                break
            middle = isthmus[0]
        if isthmus is None:
            continue
        centre, width, height = isthmus
        found[side] = Pedicle(
            side,
            to_ct.apply(centre),
            to_ct.rotate(axis),
            width,
            height,
            float(np.degrees(np.arctan2(-sign * axis[0], -axis[1]))),
            float(np.degrees(np.arctan2(-axis[2], -axis[1]))),
        )
    return found


def _frontal_centres(whole: DistanceField, canal: Canal, sign: float) -> FloatArray:
    """Centres (n, 3) of the bridge in frontal planes from the posterior wall backwards."""
    x = np.arange(0.35 * canal.half_width_mm, canal.half_width_mm + 18, STEP_MM) * sign + canal.centre[0]
    z = np.arange(-WINDOW_MM, WINDOW_MM + 4, STEP_MM)
    centres: list[FloatArray] = []
    seed: FloatArray | None = None
    for behind in np.arange(-1.0, 2 * canal.half_depth_mm * 0.75, 1.0):
        wall = canal.wall[0] + canal.wall[2] * 0
        points = np.stack(np.broadcast_arrays(x[None, :], wall + behind + canal.wall[2] * z[:, None], z[:, None]), axis=-1)
        solid = (whole.at(points) < 0) & (canal.field.at(points) > 0)
        parts, count = ndi.label(solid)
        if count == 0:
            continue
        options = [points[parts == n].mean(axis=0) for n in range(1, count + 1)]
        sizes = np.bincount(parts[parts > 0] - 1) * STEP_MM**2
        if seed is None:
            # the bridge leaves the body in its upper half, close to the canal
            score = [s - 4 * abs(o[2] - 4) for s, o in zip(sizes, options, strict=True)]
        else:
            score = [-float(np.linalg.norm(o - seed)) for o in options]
        best = int(np.argmax(score))
        if behind < 1.0 and count == 1 and sizes[best] > 450:
            continue  # still the body itself
        if seed is not None and np.linalg.norm(options[best] - seed) > 5:
            break
        seed = options[best]
        centres.append(seed)
    return np.array(centres).reshape(-1, 3)


def _direction(centres: FloatArray) -> FloatArray:
    """Unit direction of the line through the centres, towards the body, its tilt limited."""
    y = centres[:, 1]
    slope = [float(np.polyfit(y, centres[:, axis], 1)[0]) for axis in (0, 2)]
    limit = float(np.tan(np.radians(LARGEST_TILT_DEG)))
    axis = -np.array([np.clip(slope[0], -limit, limit), 1.0, np.clip(slope[1], -limit, limit)])
    return np.asarray(axis / np.linalg.norm(axis))


def _isthmus(
    whole: DistanceField, canal: Canal, through: FloatArray, axis: FloatArray, sign: float
) -> tuple[FloatArray, float, float] | None:
    """(centre, width, height) of the narrowest cross-section along an axis through a point."""
    across = np.cross(axis, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    along = np.cross(across, axis)
    side = np.arange(-WINDOW_MM / 1.5, WINDOW_MM / 1.5 + 0.1, STEP_MM)
    u, v = np.meshgrid(side, side)
    best: tuple[float, FloatArray, float, float] | None = None
    for step in np.arange(-REACH_MM / 2, REACH_MM / 2 + 0.1, 1.0):
        centre = through + step * axis
        points = centre + u[..., None] * across + v[..., None] * along
        behind = canal.behind_wall(centre)
        if not -2.0 < behind < 1.6 * canal.half_depth_mm:
            continue
        solid = (whole.at(points) < 0) & (canal.field.at(points) > 0) & (sign * (points[..., 0] - canal.centre[0]) > 2)
        section = _through_middle(solid)
        if section is None:
            continue
        area = float(section.sum()) * STEP_MM**2
        if best is None or area < best[0]:
            middle = points[section].mean(axis=0)
            width, height = _extents(section)
            best = (area, middle, width, height)
    return None if best is None or best[0] < 6 else best[1:]


def _through_middle(solid: BoolArray) -> BoolArray | None:
    """The part of a section nearest to its middle, if it comes within 3 mm of it."""
    parts, count = ndi.label(solid)
    if count == 0:
        return None
    middle = (np.array(solid.shape) - 1) / 2
    index = np.argwhere(parts > 0)
    away = np.linalg.norm(index - middle, axis=1)
    nearest = index[away.argmin()]
    return parts == parts[tuple(nearest)] if away.min() * STEP_MM < 3 else None


def _extents(section: BoolArray) -> tuple[float, float]:
    """Width and height of a section: its chords through the middle half, median, mm."""
    widths, heights = section.sum(axis=1) * STEP_MM, section.sum(axis=0) * STEP_MM
    rows, columns = np.flatnonzero(widths), np.flatnonzero(heights)
    middle_rows = rows[len(rows) // 4 : max(len(rows) // 4 + 1, 3 * len(rows) // 4)]
    middle_columns = columns[len(columns) // 4 : max(len(columns) // 4 + 1, 3 * len(columns) // 4)]
    return float(np.median(widths[middle_rows])), float(np.median(heights[middle_columns]))
