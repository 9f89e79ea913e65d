"""One mesh drawn over another surface: dense correspondence.

Non-rigid iterative closest points (Feldmar and Ayache 1996; Amberg 2007) with a thin plate's bending energy on the mesh in
place of local affine maps, matched in both directions so that tips are pulled and not only pushed, stiff first and softer step
by step. A match is near in place and in normal: opposite walls of a lamina and facing joints lie close together.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from planning_core.anatomy.shape_model.surface import PointSurface, vertex_normals
from planning_core.anatomy.shape_model.training.template import adjacency
from planning_core.geometry.arrays import FloatArray, IntArray

NORMAL_MM = 10.0
"""How many millimetres apart two places with perpendicular normals count (by the root of two)."""
LEAST_AGREEMENT = 0.3
"""Cosine between normals below which a match does not count."""
AFFINE_STEPS = 15
STIFFNESS = (30.0, 12.0, 5.0, 2.0, 0.8, 0.3, 0.12, 0.05)
STEPS_EACH = 4
REVERSE = 0.5
"""Weight of all matches from the target to the mesh against all from the mesh to the target."""
TRIM_MM = 3.0
"""Pairs this much further apart than the median count half."""
MEMBRANE = 0.01


def draw_over(start: FloatArray, triangles: IntArray, target: PointSurface) -> FloatArray:
    """The mesh's vertices (n, 3) where they lie on the target.

    Args:
        start: (n, 3) the mesh in about the target's place, mm, same frame. triangles: (m, 3).
    """
    tree = cKDTree(target.features(NORMAL_MM))
    shape = _affine(start, triangles, target, tree)
    bending, membrane = _energies(triangles, len(start))
    rest, moved = shape, np.zeros_like(shape)
    for stiffness in STIFFNESS:
        stiff = stiffness * bending + MEMBRANE * stiffness * membrane
        for _ in range(STEPS_EACH):
            weight, pull = _matches(rest + moved, triangles, target, tree)
            # each vertex: weight * (where it is pulled to - where it rests)
            wanted = pull - weight[:, None] * rest
            moved = splu((sp.diags(weight) + stiff).tocsc(), permc_spec="MMD_AT_PLUS_A").solve(wanted)
    return np.asarray(rest + moved)


def _matches(vertices: FloatArray, triangles: IntArray, target: PointSurface, tree: cKDTree) -> tuple[FloatArray, FloatArray]:
    """Per vertex the weight (n,) of all its matches and the weighted sum (n, 3) of the places they pull it to."""
    normals = vertex_normals(vertices, triangles)
    own = np.hstack([vertices, NORMAL_MM * normals])
    _, hit = tree.query(own)
    weight = _trust(vertices, normals, target.points[hit], target.normals[hit])
    pull = weight[:, None] * _on_plane(vertices, target.points[hit], target.normals[hit])
    _, back = cKDTree(own).query(target.features(NORMAL_MM))
    share = REVERSE * len(vertices) / len(target.points)
    trust = share * _trust(vertices[back], normals[back], target.points, target.normals)
    np.add.at(weight, back, trust)
    np.add.at(pull, back, trust[:, None] * target.points)
    return weight, pull


def _on_plane(vertices: FloatArray, points: FloatArray, normals: FloatArray) -> FloatArray:
    """Where vertices land on the tangent planes of their matches, no further along them than the sampling is coarse."""
    along = vertices - points
    along -= np.einsum("ij,ij->i", along, normals)[:, None] * normals
    length = np.linalg.norm(along, axis=1, keepdims=True)
    return np.asarray(points + along * np.minimum(1.0, 1.5 / np.maximum(length, 1e-9)))


def _trust(a: FloatArray, normal_a: FloatArray, b: FloatArray, normal_b: FloatArray) -> FloatArray:
    away = np.linalg.norm(a - b, axis=1)
    agree = np.einsum("ij,ij->i", normal_a, normal_b)
    far = 1 / (1 + (np.maximum(away - np.median(away), 0) / TRIM_MM) ** 2)
    return np.asarray(np.where(agree > LEAST_AGREEMENT, far, 0.0))


def _affine(start: FloatArray, triangles: IntArray, target: PointSurface, tree: cKDTree) -> FloatArray:
    """The mesh turned, shifted and stretched over the target as a whole."""
    shape = start
    design = np.column_stack([start, np.ones(len(start))])
    ridge = 0.02 * np.diag([*(design[:, :3] ** 2).sum(axis=0), 0.0])
    identity = np.vstack([np.eye(3), np.zeros(3)])
    for _ in range(AFFINE_STEPS):
        weight, pull = _matches(shape, triangles, target, tree)
        normal = design.T @ (weight[:, None] * design)
        turned = np.linalg.solve(normal + ridge, design.T @ pull + ridge @ identity)
        shape = design @ turned
    return np.asarray(shape)


def _energies(triangles: IntArray, count: int) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Bending (squared umbrella Laplacian) and membrane energy of a displacement, as (n, n) forms."""
    joined = adjacency(triangles, count)
    laplacian = sp.diags(np.asarray(joined.sum(axis=1)).ravel()) - joined
    umbrella = sp.diags(1 / np.asarray(joined.sum(axis=1)).ravel()) @ laplacian
    return (umbrella.T @ umbrella).tocsr() * 20.0, laplacian.tocsr()
