"""Pedicles: the two bridges beside the canal, followed along their deepest line and measured where that is shallowest."""

from __future__ import annotations

import numpy as np

from planning_core.anatomy.body import Canal
from planning_core.anatomy.vertebra import Pedicle, Side
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import FloatArray

STEP_MM = 0.5
BESIDE_CANAL_MM = 15.0
HEIGHT_RANGE_MM = (-10.0, 20.0)
LARGEST_JUMP_MM = 2.5
AXIS_REACH_MM = 6.0
LARGEST_TILT_DEG = 40.0


def measure_pedicles(whole: DistanceField, canal: Canal, to_ct: RigidTransform) -> dict[Side, Pedicle]:
    """Both pedicles of a vertebra in its own frame; a side without a bridge is left out.

    In each frontal plane behind the posterior wall the point deepest in bone is followed from plane to plane. The isthmus
    is where that depth is least; twice the depth is the width of the widest straight instrument that passes (the inscribed
    circle), the chord up and down through it the height.
    """
    found = {}
    for side, sign in ((Side.LEFT, 1.0), (Side.RIGHT, -1.0)):
        ridge, depth = _ridge(whole, canal, sign)
        if len(ridge) < 5:
            continue
        narrowest = int(depth.argmin())
        centre, axis = ridge[narrowest], _axis(ridge, narrowest)
        if depth[narrowest] <= 0.5:
            continue
        found[side] = Pedicle(
            side,
            to_ct.apply(centre),
            to_ct.rotate(axis),
            2 * float(depth[narrowest]),
            _chord(whole, centre, axis),
            float(np.degrees(np.arctan2(-sign * axis[0], -axis[1]))),
            float(np.degrees(np.arctan2(-axis[2], -axis[1]))),
        )
    return found


def _ridge(whole: DistanceField, canal: Canal, sign: float) -> tuple[FloatArray, FloatArray]:
    """Deepest points (n, 3) and their depths (n,) in frontal planes from the posterior wall to the canal's middle."""
    x = canal.centre[0] + sign * np.arange(0.4 * canal.half_width_mm, canal.half_width_mm + BESIDE_CANAL_MM, STEP_MM)
    z = np.arange(*HEIGHT_RANGE_MM, STEP_MM)
    behind = np.arange(1.0, canal.half_depth_mm, STEP_MM)
    y = canal.wall[0] + behind[:, None, None] + canal.wall[2] * z[None, :, None]
    points = np.stack(np.broadcast_arrays(x[None, None, :], y, z[None, :, None]), axis=-1)
    depth = -whole.at(points)
    middle = len(behind) // 2
    picked: dict[int, tuple[int, int]] = {}
    first = np.unravel_index(depth[middle].argmax(), depth[middle].shape)
    for planes in (range(middle, len(behind)), range(middle, -1, -1)):
        here = first
        for b in planes:
            near = np.hypot(np.arange(len(z))[:, None] - here[0], np.arange(len(x))[None] - here[1]) * STEP_MM <= LARGEST_JUMP_MM
            here = np.unravel_index(np.where(near, depth[b], -np.inf).argmax(), near.shape)
            picked[b] = (int(here[0]), int(here[1]))
    order = sorted(picked)
    return (
        np.array([points[b][picked[b]] for b in order]),
        np.array([depth[b][picked[b]] for b in order]),
    )


def _axis(ridge: FloatArray, narrowest: int) -> FloatArray:
    """Unit direction towards the body of a line through the ridge around the isthmus, its tilt limited."""
    near = np.abs(ridge[:, 1] - ridge[narrowest, 1]) <= AXIS_REACH_MM
    limit = float(np.tan(np.radians(LARGEST_TILT_DEG)))
    slope = [np.clip(np.polyfit(ridge[near, 1], ridge[near, axis], 1)[0], -limit, limit) for axis in (0, 2)]
    axis = -np.array([slope[0], 1.0, slope[1]])
    return np.asarray(axis / np.linalg.norm(axis))


def _chord(whole: DistanceField, centre: FloatArray, axis: FloatArray) -> float:
    """Length of bone up and down through a point, perpendicular to the axis, mm."""
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    steps = np.arange(0, 20, STEP_MM / 2)
    ways = [whole.at(centre + sign * steps[:, None] * up) >= 0 for sign in (1, -1)]
    return float(sum(steps[way.argmax()] if way.any() else steps[-1] for way in ways))
