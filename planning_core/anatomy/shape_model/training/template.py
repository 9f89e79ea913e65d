"""The mesh that every vertebra is described by: one closed surface, left as right, made of one healthy vertebra."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.sparse as sp
from skimage.measure import marching_cubes

from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import FloatArray, IntArray

EDGE_MM = 2.9
"""Spacing of the lattice that the surface is cut from: about the mean length of an edge."""
RELAX = 40
HALF_MM = np.array([58.0, 78.0, 54.0])


@attrs.frozen(eq=False)
class Template:
    """A closed surface with its mirror image in itself.

    Args:
        vertices: (n, 3) mm in the vertebra's frame. triangles: (m, 3), outward. mirror: (n,) each vertex's partner across x = 0.
    """

    vertices: FloatArray
    triangles: IntArray
    mirror: IntArray

    def symmetric(self, vertices: FloatArray) -> FloatArray:
        """The nearest shape that is its own mirror image, of vertices (n, 3)."""
        return np.asarray((vertices + self.mirrored(vertices)) / 2)

    def mirrored(self, vertices: FloatArray) -> FloatArray:
        """The mirror image (n, 3) of a shape, in correspondence with it."""
        return np.asarray(vertices[self.mirror] * [-1.0, 1.0, 1.0])


def make_template(whole: DistanceField) -> Template:
    """Cut the left half of a vertebra's symmetrised surface out of a coarse lattice, even its triangles out and mirror it.

    Args:
        whole: signed distance in the vertebra's frame.
    """
    lattice = [np.arange(-np.ceil(half / EDGE_MM), np.ceil(half / EDGE_MM) + 1) * EDGE_MM for half in HALF_MM]
    x, y, z = np.meshgrid(*lattice, indexing="ij")
    places = np.stack([x, y, z], axis=-1)
    values = _symmetric(whole, places)
    values = np.where(np.abs(values) < 1e-3, 1e-3, values)
    corners, faces, _, _ = marching_cubes(values, 0.0, spacing=(EDGE_MM,) * 3, allow_degenerate=False)
    corners = corners + [axis[0] for axis in lattice]
    faces = faces[corners[faces][:, :, 0].mean(axis=1) > 0]
    used, local = np.unique(faces, return_inverse=True)
    half, faces = corners[used], local.reshape(-1, 3)
    on_plane = np.abs(half[:, 0]) < 1e-6
    half[on_plane, 0] = 0.0
    count = len(half)
    partner = np.where(on_plane, np.arange(count), count + np.cumsum(~on_plane) - 1)
    vertices = np.vstack([half, half[~on_plane] * [-1.0, 1.0, 1.0]])
    triangles = np.vstack([faces, partner[faces][:, ::-1]])
    mirror = np.concatenate([partner, np.flatnonzero(~on_plane)])
    template = Template(vertices, _outward(vertices, triangles), mirror)
    return attrs.evolve(template, vertices=_relaxed(template, whole))


def adjacency(triangles: IntArray, count: int) -> sp.csr_matrix:
    """(n, n) 1 where two vertices share an edge."""
    ends = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ends = np.vstack([ends, ends[:, ::-1]])
    joined = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count)).tocsr()
    joined.data[:] = 1.0
    return joined


def _symmetric(whole: DistanceField, places: FloatArray) -> FloatArray:
    return np.asarray((whole.at(places) + whole.at(places * [-1.0, 1.0, 1.0])) / 2)


def _outward(vertices: FloatArray, triangles: IntArray) -> IntArray:
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    inside_out = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() < 0
    return triangles[:, ::-1] if inside_out else triangles


def _relaxed(template: Template, whole: DistanceField) -> FloatArray:
    """Vertices moved towards their neighbours' middle and back onto the surface until triangles are even."""
    joined = adjacency(template.triangles, len(template.vertices))
    degree = np.asarray(joined.sum(axis=1))
    vertices = template.vertices
    for _ in range(RELAX):
        vertices = vertices + 0.5 * (joined @ vertices / degree - vertices)
        for _ in range(2):
            steps = np.eye(3) * 0.5
            slope = np.stack([_symmetric(whole, vertices + s) - _symmetric(whole, vertices - s) for s in steps], axis=-1)
            slope /= np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
            vertices = vertices - np.clip(_symmetric(whole, vertices), -2, 2)[:, None] * slope
        vertices = template.symmetric(vertices)
    return vertices
