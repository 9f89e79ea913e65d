"""A vertebra as the planner sees it, out of a shape that was rebuilt from X-rays instead of a CT's mask."""

from __future__ import annotations

import numpy as np

from planning_core.anatomy.body import ModelError, cut_body, endplates, find_canal_in
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.morphometry import measure_heights
from planning_core.anatomy.shape_model.model import ShapeInstance
from planning_core.anatomy.vertebra import Part, Vertebra
from planning_core.geometry import Grid, RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.mesh_field import mesh_field

MARGIN_MM = 16.0


def rebuilt_vertebra(
    shape: ShapeInstance, level: VertebraLevel, wall_sd_mm: float, config: AnatomyConfig | None = None
) -> Vertebra:
    """Surface, body, canal and heights of a shape; no bone quality and no cortex, which two pictures do not show.

    Args:
        shape: pose T_<views' frame>_vertebra, whose x, y, z are the patient's left, back and head.
        wall_sd_mm: one standard deviation of the pedicles' walls: what every margin is limited by, as a voxel's half is on a CT.

    Returns:
        Its ``ct_lps_from_vertebra`` leads into the views' frame: ``ct_lps`` or ``carm``.

    Raises:
        ModelError: the shape encloses no canal.
    """
    config = config or AnatomyConfig()
    frame = f"vertebra_{level.value}"
    grid = _grid(shape.shape, config.grid_mm, frame)
    whole = mesh_field(shape.shape, shape.model.triangles, grid)
    canal = find_canal_in(whole)
    if canal is None:
        raise ModelError(f"{level.value}: the rebuilt shape encloses no canal", level=level.value, step="canal")
    body = cut_body(whole, canal)
    to_views = RigidTransform.from_parts(shape.pose.dst, frame, shape.pose.rotation, shape.pose.translation_mm)
    heights = measure_heights(endplates(body), config)
    return Vertebra(level, to_views, whole, body, canal, None, heights, body.volume_ml(), None, [2 * wall_sd_mm] * 3)


def pedicle_vertices(shape: ShapeInstance) -> np.ndarray:
    """(n,) bool: vertices on the pedicles of both sides."""
    return np.isin(shape.model.parts, (Part.PEDICLE_LEFT, Part.PEDICLE_RIGHT))


def _grid(vertices: FloatArray, spacing_mm: float, frame: str) -> Grid:
    low = np.floor((vertices.min(axis=0) - MARGIN_MM) / spacing_mm) * spacing_mm
    size = np.ceil((vertices.max(axis=0) + MARGIN_MM - low) / spacing_mm).astype(int)
    return Grid(size[::-1], [spacing_mm] * 3, low, np.eye(3), frame)
