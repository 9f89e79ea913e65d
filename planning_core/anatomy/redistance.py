"""Depth in thin bone, measured again from its surface.

A distance field holds its surface exactly, but interpolation rounds the ridge between two walls off: in a pedicle 5 mm wide,
sampled every millimetre, up to half a millimetre of bone goes missing, and the place where it seems deepest moves.
"""

from __future__ import annotations

import attrs
import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import FloatArray

STEP_MM = 0.5
MARGIN_MM = 4.0
LARGEST_GAIN_MM = 1.0
DEEPEST_MM = 5.5
"""No path asks for more bone than this around its axis, and deep bone is the slowest to measure."""

LEAF = 32
"""Points on a surface that a search looks through one by one; half as many take twice as long."""


@attrs.frozen(eq=False)
class SurfaceDepth:
    """Depth in bone by the way to the surface itself, in part of a field's box.

    Args:
        field: signed distance, mm, negative inside; its axes are those of its frame. surface: tree of points on its zero level,
            None where the part holds none.
    """

    field: DistanceField
    surface: cKDTree | None

    @classmethod
    def of(cls, field: DistanceField, low: FloatArray, high: FloatArray) -> SurfaceDepth:
        """For points between two corners (3,) in the field's frame, mm."""
        first = field.grid.points(np.floor(field.grid.indices(low - MARGIN_MM)))
        size = np.ceil((high + MARGIN_MM - first) / STEP_MM).astype(int) + 1
        around = Grid(size[::-1], [STEP_MM] * 3, first, np.eye(3), field.grid.frame)
        values = field.at(around.all_points())
        if not values.min() < 0 < values.max():
            return cls(field, None)
        return cls(field, cKDTree(around.points(marching_cubes(values, 0.0)[0]), leafsize=LEAF))

    def depth(self, points: FloatArray, deepest_mm: float = np.inf) -> FloatArray:
        """(...,) mm of bone around points (..., 3) in its frame; outside and from ``deepest_mm`` on as the field has it."""
        depth = -self.field.at(points)
        thin = (depth > 0) & (depth < deepest_mm)
        if self.surface is not None and thin.any():
            away, _ = self.surface.query(points[thin])
            # surface beyond the margin is not seen: no ridge was rounded off by more than this
            depth[thin] = np.clip(away, depth[thin], depth[thin] + LARGEST_GAIN_MM)
        return depth


def redistanced(field: DistanceField, low: FloatArray, high: FloatArray) -> DistanceField:
    """A finer field of part of another's box, its depths measured to the other's zero level.

    Args:
        field: signed distance, mm. low, high: (3,) corners of the box in the field's frame, mm.

    Returns:
        A field on steps of ``STEP_MM`` that ends at the box; what is outside the bone stays as it was.
    """
    # begin on one of the field's own samples, so that none of what it knows is lost between two new ones
    first = field.grid.points(np.floor(field.grid.indices(low)))
    size = np.ceil((high - first) / STEP_MM).astype(int) + 1
    grid = Grid(size[::-1], [STEP_MM] * 3, first, np.eye(3), field.grid.frame)
    depth = SurfaceDepth.of(field, low, high).depth(grid.all_points(), DEEPEST_MM)
    return DistanceField((-depth).astype(np.float32), grid)
