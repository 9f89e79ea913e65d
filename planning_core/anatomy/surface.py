"""Closed surfaces out of signed distance."""

from __future__ import annotations

import numpy as np
import trimesh
from skimage.measure import marching_cubes

from planning_core.errors import PkpError
from planning_core.geometry import DistanceField, RigidTransform

FAR_MM = 5.0


class OpenSurfaceError(PkpError):
    """A surface that is not closed. Carries ``faces``."""

    code = "open_surface"


def closed_surface(field: DistanceField, to: RigidTransform | None = None) -> trimesh.Trimesh:
    """The zero level as a watertight mesh, outward normals (marching cubes, Lewiner 2003).

    Args:
        field: negative inside. to: transform of the vertices, mm; the field's own frame without it.

    Raises:
        OpenSurfaceError: nothing inside, or a surface that does not close.
    """
    values = np.pad(np.clip(field.values, -FAR_MM, FAR_MM), 1, constant_values=FAR_MM)
    values = np.where(values == 0, np.float32(1e-3), values)  # a vertex on a voxel centre would make slivers
    if not (values < 0).any():
        raise OpenSurfaceError("nothing lies inside the surface", faces=0)
    vertices, faces, _, _ = marching_cubes(values, 0.0)
    points = field.grid.points(vertices - 1)
    left_handed = np.linalg.det(field.grid.direction) < 0
    # index order is k, j, i: reversing it to x, y, z mirrors the triangles once
    surface = trimesh.Trimesh(to.apply(points) if to is not None else points, faces, process=False)
    if surface.volume < 0 or left_handed:
        surface.fix_normals()
    if not surface.is_watertight:
        raise OpenSurfaceError(f"a surface of {len(faces)} triangles does not close", faces=len(faces))
    return surface
