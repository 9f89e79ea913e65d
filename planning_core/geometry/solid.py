"""Which voxels lie inside a closed mesh."""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import BoolArray, FloatArray, IntArray
from planning_core.geometry.grid import Grid


def inside_mesh(vertices: FloatArray, triangles: IntArray, grid: Grid) -> BoolArray:
    """(nk, nj, ni): voxels whose centre a closed mesh winds round.

    Each column of voxels is cut by the triangles that it runs through; the winding number grows at every entry and falls at
    every exit, so that a mesh that folds over itself slightly still has one inside.

    Args:
        vertices: (n, 3) mm in the grid's frame. triangles: (m, 3), outward by the right hand rule.
    """
    kji = grid.indices(vertices)
    handed = -1 if np.linalg.det(grid.direction) < 0 else 1
    a, b, c = (kji[triangles[:, corner]][:, ::-1] for corner in range(3))
    xy = np.stack([a[:, :2], b[:, :2], c[:, :2]])
    low = np.maximum(np.ceil(xy.min(axis=0)), 0).astype(int)
    high = np.minimum(np.floor(xy.max(axis=0)), np.array(grid.shape[:0:-1]) - 1).astype(int)
    size = np.maximum(high - low + 1, 0)
    count = size.prod(axis=1)
    which = np.repeat(np.arange(len(triangles)), count)
    order = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    i = low[which, 0] + order % np.maximum(size[which, 0], 1)
    j = low[which, 1] + order // np.maximum(size[which, 0], 1)
    place = np.stack([i, j], axis=1)
    corners = [corner[which] for corner in xy]
    # twice the areas that the place spans with two corners each, of one sign inside the triangle
    edges = [(corners[(n + 1) % 3] - place, corners[(n + 2) % 3] - place) for n in range(3)]
    areas, side = np.stack([_cross(*edge) for edge in edges]), np.stack([_side(*edge) for edge in edges])
    whole = areas.sum(axis=0)
    hit = ((side > 0).all(axis=0) | (side < 0).all(axis=0)) & (whole != 0)
    which, i, j, areas, whole = which[hit], i[hit], j[hit], areas[:, hit], whole[hit]
    height = (areas[0] * a[which, 2] + areas[1] * b[which, 2] + areas[2] * c[which, 2]) / whole
    first = np.clip(np.ceil(height), 0, grid.shape[0]).astype(int)
    winding = np.zeros((grid.shape[0] + 1, *grid.shape[1:]), np.int32)
    np.add.at(winding, (first, j, i), -handed * np.sign(whole).astype(np.int32))
    return np.asarray(np.cumsum(winding, axis=0)[:-1] > 0)


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _side(a: FloatArray, b: FloatArray) -> FloatArray:
    """On which side of the edge from ``a`` to ``b`` the origin lies.

    One on the edge itself counts as moved by less than any number along x and, if that does not help, along y (Edelsbrunner and
    Muecke 1990), so that each edge belongs to one of its two triangles.
    """
    away = np.where(a[:, 1] != b[:, 1], a[:, 1] - b[:, 1], b[:, 0] - a[:, 0])
    area = _cross(a, b)
    return np.asarray(np.sign(np.where(area != 0, area, away)))
