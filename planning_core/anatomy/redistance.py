"""Depth in thin bone, measured again from its surface.

A distance field holds its surface exactly, but interpolation rounds the ridge between two walls off: in a pedicle 5 mm wide,
sampled every millimetre, up to half a millimetre of bone goes missing, and the place where it seems deepest moves.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import FloatArray

STEP_MM = 0.5
MARGIN_MM = 4.0
LARGEST_GAIN_MM = 1.0
DEEPEST_MM = 9.0


def redistanced(field: DistanceField, low: FloatArray, high: FloatArray) -> DistanceField:
    """A finer field of part of another's box, its depths measured to the other's zero level.

    Args:
        field: signed distance, mm, negative inside; its axes are those of its frame.
        low, high: (3,) corners of the box in the field's frame, mm.

    Returns:
        A field on steps of ``STEP_MM`` that ends at the box; what is outside the bone stays as it was.
    """
    size = np.ceil((np.asarray(high) - low) / STEP_MM).astype(int) + 1
    grid = Grid(size[::-1], [STEP_MM] * 3, np.asarray(low), np.eye(3), field.grid.frame)
    margin = round(MARGIN_MM / STEP_MM)
    around = Grid(size[::-1] + 2 * margin, [STEP_MM] * 3, np.asarray(low) - MARGIN_MM, np.eye(3), field.grid.frame)
    values = field.at(around.all_points())
    inner = (slice(margin, -margin),) * 3
    before = values[inner]
    if not (values.min() < 0 < values.max()):
        return DistanceField(before.astype(np.float32), grid)
    vertices = marching_cubes(values, 0.0)[0]
    bone = (before < 0) & (before > -DEEPEST_MM)
    away, _ = cKDTree(around.points(vertices)).query(grid.points(np.argwhere(bone)))
    after = before.copy()
    # surface beyond the margin is not seen: no ridge was rounded off by more than this
    after[bone] = -np.clip(away, -before[bone], LARGEST_GAIN_MM - before[bone])
    return DistanceField(after.astype(np.float32), grid)
