"""Signed distance to a closed mesh."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from scipy.spatial import cKDTree

from planning_core.geometry.arrays import BoolArray, FloatArray, IntArray
from planning_core.geometry.distance import DistanceField
from planning_core.geometry.grid import Grid
from planning_core.geometry.solid import inside_mesh

NEAR_MM = 4.0
PARTS = 4
"""Into so many a triangle's sides are cut."""


@attrs.frozen(eq=False)
class MeshDepth:
    """How deep points lie in a mesh, by the way to points spread over it; for as many places as one likes, not a whole grid.

    Args:
        inside: (nk, nj, ni) bool on ``grid``, from which the side is read. surface: tree of the points.
        normals: (n, 3) unit, of the triangle that each lies in. reach_mm: hardly a place of a triangle is further from one.
    """

    grid: Grid
    inside: BoolArray
    surface: cKDTree
    normals: FloatArray
    reach_mm: float

    @classmethod
    def of(cls, vertices: FloatArray, triangles: IntArray, grid: Grid, near: BoolArray | None = None) -> MeshDepth:
        """For points of a grid's box.

        Args:
            vertices: (n, 3) mm in the grid's frame. triangles: (m, 3), closed, outward. near: (m,) those that can be nearest.
        """
        inside = inside_mesh(vertices, triangles, grid)
        chosen = triangles if near is None else triangles[near]
        chosen = chosen[~_folded(vertices, chosen, grid, inside)]
        shares = np.array([(a, b, PARTS - a - b) for a in range(PARTS + 1) for b in range(PARTS + 1 - a)]) / PARTS
        points = np.einsum("sc,mcx->msx", shares, vertices[chosen]).reshape(-1, 3)
        out, longest = _across(vertices, chosen)
        return cls(grid, inside, cKDTree(points), np.repeat(out, len(shares), axis=0), longest / PARTS)

    def depth(self, points: FloatArray) -> FloatArray:
        """(...,) mm from points (..., 3) in the grid's frame to the surface, positive inside."""
        away = self.away(points)
        return np.where(_within(points, self.grid, self.inside), away, -away)

    def away(self, points: FloatArray) -> FloatArray:
        """(...,) mm from points (..., 3) to the surface, on whichever side; near a point of it, to its triangle's plane."""
        away, nearest = self.surface.query(points)
        plane = np.abs(((points - np.asarray(self.surface.data)[nearest]) * self.normals[nearest]).sum(axis=-1))
        return np.where(away**2 - plane**2 < self.reach_mm**2, plane, away)


def _within(points: FloatArray, grid: Grid, inside: BoolArray) -> BoolArray:
    """(...,) whether points (..., 3) lie inside, linear between voxels."""
    share = ndi.map_coordinates(inside, grid.indices(points).reshape(-1, 3).T, output=np.float32, order=1, mode="constant")
    return np.asarray(share.reshape(points.shape[:-1]) > 0.5)


def _folded(vertices: FloatArray, triangles: IntArray, grid: Grid, inside: BoolArray) -> BoolArray:
    """(m,) triangles with bone before them: sheets of a mesh that folds over itself, which are no surface."""
    out, _ = _across(vertices, triangles)
    return _within(vertices[triangles].mean(axis=1) + float(grid.spacing_mm[0]) * out, grid, inside)


def _across(vertices: FloatArray, triangles: IntArray) -> tuple[FloatArray, float]:
    """(m, 3) unit normals of triangles, and the usual longest side: of nine in ten it is no longer, mm."""
    a, b, c = (vertices[triangles[:, n]] for n in range(3))
    out = np.cross(b - a, c - a)
    sides = np.linalg.norm(np.stack([b - a, c - b, a - c]), axis=2).max(axis=0)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9), float(np.percentile(sides, 90)) if len(
        sides
    ) else 0.0


def mesh_field(vertices: FloatArray, triangles: IntArray, grid: Grid) -> DistanceField:
    """Signed distance of a closed mesh: to its triangles where it is near, of its voxels further away.

    Args:
        vertices: (n, 3) mm in the grid's frame. triangles: (m, 3), outward.
    """
    mesh = MeshDepth.of(vertices, triangles, grid)
    rough = DistanceField.from_mask(mesh.inside, grid)
    near = np.abs(rough.values) < NEAR_MM
    away = mesh.away(grid.points(np.argwhere(near)))
    values = rough.values.copy()
    values[near] = np.where(mesh.inside[near], -away, away)
    return DistanceField(values, grid)
