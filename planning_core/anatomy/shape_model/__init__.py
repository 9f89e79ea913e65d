"""Statistical shape models of vertebrae by region, with the anatomy they carry and modes of collapse."""

from planning_core.anatomy.shape_model.model import ShapeInstance, ShapeModel
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.store import load_shape_model

__all__ = ["Region", "ShapeInstance", "ShapeModel", "load_shape_model"]
