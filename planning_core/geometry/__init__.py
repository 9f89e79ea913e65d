"""Transforms with named frames, sampling grids, signed distance fields."""

from planning_core.geometry.distance import DistanceField
from planning_core.geometry.grid import Grid
from planning_core.geometry.transform import FrameMismatchError, InvalidTransformError, RigidTransform

__all__ = ["DistanceField", "FrameMismatchError", "Grid", "InvalidTransformError", "RigidTransform"]
