"""The device's pose of a tool from its measured spheres: least squares, with the tool file's limits."""

from __future__ import annotations

import attrs
import numpy as np

from hardware_sim.tracker.measurement import MarkerView
from hardware_sim.tracker.scene import PhysicalTool
from hardware_sim.tracker.tool_definition import ToolDefinition
from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.transform import quaternion

MATCH_TOLERANCE_MM = 0.5
"""Largest difference of sphere distances at which a tool file and a body are taken for the same (assumed)."""


@attrs.frozen(eq=False)
class ToolMeasurement:
    """One tool in one frame as the device reports it.

    Args:
        quaternion: (4,) w, x, y, z of the rotation tool → tracker, or None when the tool is missing.
        translation_mm: (3,) of the tool's origin in the tracker frame.
        rms_mm: RMS distance of the spheres used from the tool file's geometry after the fit.
        out_of_volume: every sphere used lies outside the characterised volume.
        partially_out: fewer than the minimum lie inside.
    """

    quaternion: FloatArray | None = None
    translation_mm: FloatArray | None = None
    rms_mm: float = 0.0
    out_of_volume: bool = False
    partially_out: bool = False


MISSING = ToolMeasurement()


def same_geometry(definition: ToolDefinition, tool: PhysicalTool) -> bool:
    """Whether the tool file describes this body: the same spheres in the same order, by their mutual distances."""
    if len(definition.markers_mm) != len(tool.markers_mm):
        return False
    difference = _distances(definition.markers_mm) - _distances(tool.markers_mm)
    return float(np.abs(difference).max()) <= MATCH_TOLERANCE_MM


def fit_tool(definition: ToolDefinition, view: MarkerView) -> ToolMeasurement:
    """The pose of a tool, or :data:`MISSING` where the tool file's limits leave none.

    Spheres beyond the largest error are left out worst first, as long as the minimum remains (Vicra User Guide, section 3.4).
    """
    used = view.seen.copy()
    while used.sum() >= definition.minimum_markers:
        rotation, translation = rigid_fit(definition.markers_mm[used], view.points_mm[used])
        turned = definition.normals @ rotation.T
        facing = (turned * -view.points_mm).sum(axis=1) >= np.cos(np.radians(definition.maximum_angle_deg)) * np.linalg.norm(
            turned, axis=1
        ) * np.linalg.norm(view.points_mm, axis=1)
        without_normal = np.linalg.norm(turned, axis=1) < 1e-6
        allowed = used & (facing | without_normal)
        if not np.array_equal(allowed, used):
            used = allowed
            continue
        residual = np.linalg.norm(definition.markers_mm @ rotation.T + translation - view.points_mm, axis=1)
        residual[~used] = 0.0
        if residual.max() <= definition.maximum_error_mm:
            inside = int((view.inside & used).sum())
            return ToolMeasurement(
                quaternion=quaternion(rotation),
                translation_mm=translation,
                rms_mm=float(np.sqrt((residual[used] ** 2).mean())),
                out_of_volume=inside == 0,
                partially_out=0 < inside < definition.minimum_markers,
            )
        used[int(residual.argmax())] = False
    return MISSING


def rigid_fit(source_mm: FloatArray, target_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotation (3, 3) and translation (3,) that take ``source_mm`` to ``target_mm``, both (n, 3) (Arun 1987, Umeyama 1991)."""
    source_mean, target_mean = source_mm.mean(axis=0), target_mm.mean(axis=0)
    left, _, right = np.linalg.svd((target_mm - target_mean).T @ (source_mm - source_mean))
    left[:, 2] *= np.sign(np.linalg.det(left @ right))
    rotation = left @ right
    return rotation, target_mean - rotation @ source_mean


def _distances(points_mm: FloatArray) -> FloatArray:
    distances: FloatArray = np.linalg.norm(points_mm[:, None] - points_mm[None], axis=2)
    return distances
