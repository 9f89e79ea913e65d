"""Pedicles: the two bridges beside the canal, found as the widest way from body to arch and measured where that is tightest."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.body import Canal
from planning_core.anatomy.redistance import SurfaceDepth
from planning_core.anatomy.vertebra import Pedicle, Side, Vertebra
from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import BoolArray, FloatArray

STEP_MM = 0.5
BESIDE_CANAL_MM = 15.0
HEIGHT_RANGE_MM = (-10.0, 20.0)
LARGEST_JUMP_STEPS = 2
AXIS_REACH_MM = 6.0
LARGEST_CONVERGENCE_DEG = 40.0
LARGEST_SAGITTAL_DEG = 25.0
LEAST_PLANES = 5
NEARLY_MM = 0.7
LEAST_DEPTH_MM = 0.5
EQUAL_MM = 0.05
PLATEAU_MM = 0.5


def measure_pedicles(vertebra: Vertebra) -> dict[Side, Pedicle]:
    """Both pedicles of a vertebra, in ct_lps; a side without a bridge is left out.

    Of all ways from the posterior wall back to the canal's middle, one plane after the other, the one is taken whose
    shallowest place is deepest in bone. That place is the isthmus; twice its depth is the width of the widest straight
    instrument that passes (the inscribed circle), the chord up and down through it the height.
    """
    whole, to_ct = vertebra.whole, vertebra.ct_lps_from_vertebra
    found = {}
    for side, sign in ((Side.LEFT, 1.0), (Side.RIGHT, -1.0)):
        ridge, depth = _ridge(whole, vertebra.passage, sign)
        if len(ridge) < LEAST_PLANES:
            continue
        narrowest = int(depth.argmin())
        centre, axis = ridge[narrowest], _axis(ridge, depth)
        if depth[narrowest] <= LEAST_DEPTH_MM:
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
    """Middles (n, 3) of the widest way and its depths (n,), in planes from the posterior wall to the canal's middle."""
    x = canal.centre[0] + sign * np.arange(0.4 * canal.half_width_mm, canal.half_width_mm + BESIDE_CANAL_MM, STEP_MM)
    z = np.arange(*HEIGHT_RANGE_MM, STEP_MM)
    behind = np.arange(1.0, canal.half_depth_mm, STEP_MM)
    y = canal.wall[0] + behind[:, None, None] + canal.wall[2] * z[None, :, None]
    points = np.stack(np.broadcast_arrays(x[None, None, :], y, z[None, :, None]), axis=-1)
    corners = points.reshape(-1, 3)
    depth = SurfaceDepth.of(whole, corners.min(axis=0), corners.max(axis=0)).depth(points)
    picked = _widest_way(depth)
    middles = np.array([points[n][_plateau(depth[n], row, column)].mean(axis=0) for n, (row, column) in enumerate(picked)])
    return middles, depth[np.arange(len(behind)), picked[:, 0], picked[:, 1]]


def _plateau(depth: FloatArray, row: int, column: int) -> BoolArray:
    """Places of one plane as deep as a given one, or nearly, around it: a pedicle is taller than wide, and its middle counts."""
    parts, _ = ndi.label(depth >= depth[row, column] - PLATEAU_MM)
    return np.asarray(parts == parts[row, column])


def _widest_way(depth: FloatArray) -> np.ndarray:
    """(n, 2) int: one place per plane of (n, rows, columns), neighbours a jump apart at most.

    No other way has a deeper shallowest place (the bottleneck); among its equals it is the deepest on the whole. To follow
    the deepest place from plane to plane instead would run into lips and processes that end blindly.
    """
    size = 2 * LARGEST_JUMP_STEPS + 1
    reached = _bottlenecks(depth, size)
    onward = _bottlenecks(depth[::-1], size)[::-1]
    least = np.minimum(reached, onward)
    open_ = least >= least.max(axis=(1, 2)).min() - EQUAL_MM
    gain = np.where(open_, depth, -np.inf)
    total = gain.copy()
    for n in range(1, len(depth)):
        total[n] += ndi.maximum_filter(total[n - 1], size, mode="constant", cval=-np.inf)
    places = [np.unravel_index(total[-1].argmax(), total[-1].shape)]
    for n in range(len(depth) - 2, -1, -1):
        row, column = places[-1]
        low = np.maximum([row - LARGEST_JUMP_STEPS, column - LARGEST_JUMP_STEPS], 0)
        near = total[n][low[0] : row + LARGEST_JUMP_STEPS + 1, low[1] : column + LARGEST_JUMP_STEPS + 1]
        step = np.unravel_index(near.argmax(), near.shape)
        places.append((low[0] + step[0], low[1] + step[1]))
    return np.array(places[::-1], dtype=int)


def _bottlenecks(depth: FloatArray, size: int) -> FloatArray:
    """Per place the best shallowest depth of any way that comes there from the first plane."""
    least = depth.copy()
    for n in range(1, len(depth)):
        least[n] = np.minimum(depth[n], ndi.maximum_filter(least[n - 1], size, mode="constant", cval=-np.inf))
    return least


def _axis(ridge: FloatArray, depth: FloatArray) -> FloatArray:
    """Unit direction towards the body of a line through the ridge around the isthmus, its tilt limited.

    Only planes nearly as tight as the isthmus count: towards the body the deepest place is the body's, not the pedicle's.
    """
    narrowest = int(depth.argmin())
    near = (np.abs(ridge[:, 1] - ridge[narrowest, 1]) <= AXIS_REACH_MM) & (depth <= depth[narrowest] + NEARLY_MM)
    if near.sum() < LEAST_PLANES:
        near = np.isin(np.arange(len(depth)), np.argsort(depth, kind="stable")[:LEAST_PLANES])
    slope = [
        np.clip(np.polyfit(ridge[near, 1], ridge[near, axis], 1)[0], -np.tan(np.radians(most)), np.tan(np.radians(most)))
        for axis, most in ((0, LARGEST_CONVERGENCE_DEG), (2, LARGEST_SAGITTAL_DEG))
    ]
    axis = -np.array([slope[0], 1.0, slope[1]])
    return np.asarray(axis / np.linalg.norm(axis))


def _chord(whole: DistanceField, centre: FloatArray, axis: FloatArray) -> float:
    """Length of bone up and down through a point, perpendicular to the axis, mm."""
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    steps = np.arange(0, 20, STEP_MM / 2)
    ways = [whole.at(centre + sign * steps[:, None] * up) >= 0 for sign in (1, -1)]
    return float(sum(steps[way.argmax()] if way.any() else steps[-1] for way in ways))
