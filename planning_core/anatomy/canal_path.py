"""The course of the vertebral canal through a CT, found without any training.

The canal is the soft tube with bone all round and a thick body of bone in front. Every soft voxel is scored by casting
rays in its axial slice; the best way through all slices is a shortest path.
"""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from scipy.interpolate import UnivariateSpline

from planning_core.errors import InputError
from planning_core.geometry.arrays import BoolArray, Float32Array, FloatArray, frozen_float64
from planning_core.imaging.resample import coarsen, upright_grid
from planning_core.imaging.volume import CtVolume

SPACING_MM = 2.5
RAYS = 24
RAY_MM = 22.0
CANAL_WIDTH_MM = (9.0, 34.0)
SOFT_HU = (-60.0, 150.0)
BONE_HU = (170.0, 130.0)  # osteoporotic and low-kVp scans need the lower one; the better path decides
LEAST_MEAN_SCORE = 0.25


class NoSpineError(InputError):
    """No vertebral canal or no vertebra in the volume. Carries ``score`` (how canal-like the best path was) or ``found``."""

    code = "no_spine"


@attrs.frozen(eq=False)
class CanalPath:
    """The canal's centre line.

    Args:
        points_lps_mm: (n, 3) ct_lps, from foot to head, one per 2.5 mm of z.
        score: (n,) how canal-like each point is, about 0..1.
    """

    points_lps_mm: FloatArray = attrs.field(converter=frozen_float64)
    score: FloatArray = attrs.field(converter=frozen_float64)

    def at_height(self, z_mm: FloatArray) -> FloatArray:
        """(n, 3) centre of the canal at heights z (n,), ct_lps mm; straight on beyond the ends."""
        z, line = np.asarray(z_mm, dtype=np.float64), self.points_lps_mm
        columns = []
        for axis in (0, 1):
            value = np.interp(z, line[:, 2], line[:, axis])
            for end, inner in ((0, min(8, len(line) - 1)), (-1, max(-9, -len(line)))):
                rise = line[inner, 2] - line[end, 2]
                slope = (line[inner, axis] - line[end, axis]) / rise if rise else 0.0
                beyond = z < line[0, 2] if end == 0 else z > line[-1, 2]
                value = np.where(beyond, line[end, axis] + slope * (z - line[end, 2]), value)
            columns.append(value)
        return np.stack([*columns, z], axis=-1)


def find_canal(ct: CtVolume) -> CanalPath:
    """Trace the canal.

    Args:
        ct: any CT that shows some length of spine, head roughly toward +z of LPS.

    Raises:
        NoSpineError: no path scores like a canal.
    """
    grid = upright_grid(ct.grid, SPACING_MM)
    hu = ndi.gaussian_filter(coarsen(ct, SPACING_MM).on(grid), 0.4)
    best: tuple[float, FloatArray, FloatArray] | None = None
    for threshold in BONE_HU:
        score = ndi.uniform_filter1d(canal_score(hu, hu > threshold), 5, axis=0, mode="nearest")
        path = shortest_path(score)
        along = score[np.arange(len(path)), path[:, 0], path[:, 1]].astype(np.float64)
        good = _longest_run(ndi.uniform_filter1d(along, 9, mode="nearest") > 0.5 * LEAST_MEAN_SCORE)
        total = float(along[good].sum())
        if best is None or total > 1.1 * best[0]:
            index = np.column_stack([np.arange(len(path)), path]).astype(np.float64)[good]
            best = (total, grid.points(index), along[good])
    assert best is not None
    _, points, along = best
    if len(points) < 12 or along.mean() < LEAST_MEAN_SCORE:
        mean = float(along.mean()) if len(along) else 0.0
        raise NoSpineError(
            f"no vertebral canal found: best candidate is {len(points) * SPACING_MM:.0f} mm long with score {mean:.2f} "
            f"(30 mm and {LEAST_MEAN_SCORE} needed)",
            score=mean,
            length_mm=len(points) * SPACING_MM,
        )
    return CanalPath(_smooth(points, along), along)


def canal_score(hu: Float32Array, bone: BoolArray) -> Float32Array:
    """How canal-like each voxel of an upright 2.5 mm volume is, -1 where it cannot be.

    Args:
        hu: (nk, nj, ni) float32. bone: same shape.

    Returns:
        (nk, nj, ni) float32, about 1 in the middle of a closed canal behind a vertebral body.
    """
    steps = int(RAY_MM / SPACING_MM)
    hits = np.zeros(hu.shape, np.uint8)
    uneven = np.zeros(hu.shape, np.float32)
    nearest = np.full(hu.shape, 255, np.uint8)
    for ray in range(RAYS // 2):
        angle = 2 * np.pi * ray / RAYS
        pair = [_steps_to_bone(bone, direction, steps) for direction in (angle, angle + np.pi)]
        for way in pair:
            hits += way < 255
            np.minimum(nearest, way, out=nearest)
        forth, back = (np.where(way == 255, steps + 1, way).astype(np.float32) for way in pair)
        width = (forth + back) * SPACING_MM
        fits = (width >= CANAL_WIDTH_MM[0]) & (width <= CANAL_WIDTH_MM[1])
        uneven += np.where(fits, np.abs(forth - back) / np.maximum(forth + back, 1), 1.0)
    uneven /= RAYS // 2
    front = _mean_in_front(np.clip(hu, -100, 250))
    share = hits.astype(np.float32) / RAYS
    score = share - 0.6 * uneven + 0.35 * np.minimum(front / 180, 1) + np.where(nearest * SPACING_MM >= 4, 0.15, -0.2)
    soft = (hu > SOFT_HU[0]) & (hu < SOFT_HU[1]) & ~bone
    return np.where(soft & (share >= 0.35) & (front > 50), score, -1).astype(np.float32)


def shortest_path(score: Float32Array, bend: float = 0.06, reach: int = 2) -> np.ndarray:
    """Best-scoring way through all slices with a quadratic cost on sideways steps: (nk, 2) int rows and columns."""
    gain = np.maximum(score, -0.3)
    moves = [(dj, di) for dj in range(-reach, reach + 1) for di in range(-reach, reach + 1)]
    value, came = gain[0].copy(), np.zeros(score.shape, np.uint8)
    rows, columns = value.shape
    for k in range(1, len(gain)):
        padded = np.pad(value, reach, constant_values=-np.inf)
        options = np.stack(
            [
                padded[reach + dj : reach + dj + rows, reach + di : reach + di + columns] - bend * (dj * dj + di * di)
                for dj, di in moves
            ]
        )
        came[k] = options.argmax(axis=0)
        value = options.max(axis=0) + gain[k]
    path = np.zeros((len(gain), 2), int)
    path[-1] = np.unravel_index(value.argmax(), value.shape)
    for k in range(len(gain) - 1, 0, -1):
        path[k - 1] = path[k] + moves[came[k][tuple(path[k])]]
    return path


def _steps_to_bone(bone: BoolArray, angle: float, steps: int) -> np.ndarray:
    """Per voxel the number of steps along an axial direction until bone, 255 where there is none."""
    distance = np.full(bone.shape, 255, np.uint8)
    rows, columns = bone.shape[1:]
    for step in range(steps, 0, -1):
        dj, di = round(np.sin(angle) * step), round(np.cos(angle) * step)
        to = (slice(max(0, -dj), rows - max(0, dj)), slice(max(0, -di), columns - max(0, di)))
        of = (slice(max(0, dj), rows + min(0, dj)), slice(max(0, di), columns + min(0, di)))
        distance[:, *to][bone[:, *of]] = step
    return distance


def _mean_in_front(hu: Float32Array) -> Float32Array:
    """Mean HU of the box 10–30 mm in front (−y) and 8 mm to either side: where a vertebral body would lie."""
    size = (1, round(20 / SPACING_MM), 2 * round(8 / SPACING_MM) + 1)
    mean = ndi.uniform_filter(hu, size, mode="constant", cval=-100)
    shift = round(20 / SPACING_MM)
    front = np.full_like(mean, -100)
    front[:, shift:] = mean[:, :-shift]
    return front


def _longest_run(flags: BoolArray) -> slice:
    runs, count = ndi.label(flags)
    if count == 0:
        return slice(0, 0)
    members = np.flatnonzero(runs == 1 + np.bincount(runs[runs > 0] - 1).argmax())
    return slice(int(members[0]), int(members[-1]) + 1)


def _smooth(points: FloatArray, score: FloatArray, tolerance_mm: float = 2.0) -> FloatArray:
    weight = np.clip(score, 0.05, 1)
    z = points[:, 2]
    curve = [
        UnivariateSpline(z, points[:, axis], w=weight / tolerance_mm, s=float((weight**2).sum()) * 1.0)(z) for axis in (0, 1)
    ]
    return np.column_stack([*curve, z])
