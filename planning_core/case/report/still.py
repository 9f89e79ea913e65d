"""A still picture of the scene, for browsers without WebGL, for paper and for the sheet.

A small depth-buffer renderer: each part gives its front surface with smooth shading, and parts are laid over each other
back to front in every pixel. Parts are few and closed, so this needs no graphics driver and gives the same bytes anywhere.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from planning_core.case.report.colours import PAPER, rgb
from planning_core.case.report.scene import Part
from planning_core.geometry.arrays import Float32Array, FloatArray

UP = np.array([0.0, 0.0, 1.0])
LAMP = np.array([-0.35, 0.55, 0.75])
"""Where light comes from: over the looker's left shoulder (right, up, towards the looker)."""
AMBIENT, DIFFUSE, SHINE = 0.34, 0.66, 0.22
OVERSAMPLE = 2
DENSITY = 1.42
"""Points per pixel along a triangle: a cell of them, even its diagonal, is shorter than a pixel, or holes are left."""
STEPS = 2 ** np.arange(12)
FAR = np.float32(-1e9)
VIEWS = (("from behind and the left", (0.5, 0.87, 0.37)), ("from the left", (1.0, 0.12, 0.1)))
"""Titles and directions from the vertebra towards the looker, LPS (+x left, +y behind, +z up)."""
SIZE = (520, 440)
"""Pixels of each view."""


def still_views(parts: Sequence[Part], centre: FloatArray, size: tuple[int, int] = SIZE, half_mm: float = 58) -> Float32Array:
    """All views side by side, (height, width, 3) float32, 0..1; parts that the page hides at first are left out.

    Args:
        centre: (3,) ct_lps mm. size: pixels, width and height of each view. half_mm: half the height shown.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        views = pool.map(lambda view: still(parts, centre, np.array(view[1]), size, half_mm), VIEWS)
    return np.concatenate(list(views), axis=1)


def still(parts: Sequence[Part], centre: FloatArray, towards: FloatArray, size: tuple[int, int], half_mm: float) -> Float32Array:
    """One view in parallel projection, (height, width, 3) float32, 0..1.

    Args:
        centre: (3,) ct_lps mm in the picture's middle. towards: (3,) from there to the looker. half_mm: half the height shown.
    """
    width, height = size[0] * OVERSAMPLE, size[1] * OVERSAMPLE
    forward = towards / np.linalg.norm(towards)
    right = np.cross(UP, forward)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward], axis=1)
    scale = height / (2 * half_mm)
    shown = [part for part in parts if part.visible]
    paper = rgb(PAPER).astype(np.float32)
    surfaces = [_surface(part, centre, axes, scale, (width, height)) for part in shown]
    place = np.zeros(height * width, np.int32)
    for pixel, _, _ in surfaces:
        place[pixel] = 1
    covered = np.flatnonzero(place)
    place[covered] = np.arange(len(covered))
    depth = np.full((len(covered), len(shown)), FAR, np.float32)
    shades = np.empty((len(covered), len(shown), 3), np.float32)
    for number, (pixel, near, shade) in enumerate(surfaces):
        depth[place[pixel], number], shades[place[pixel], number] = near, shade
    order = np.argsort(depth, axis=1)  # farthest first
    there = np.take_along_axis(depth, order, axis=1) > FAR
    opacity = np.array([part.opacity for part in shown], np.float32)
    laid = np.broadcast_to(paper, (len(covered), 3)).copy()
    for rank in range(len(shown)):
        here = np.flatnonzero(there[:, rank])
        layer = order[here, rank]
        laid[here] += opacity[layer, None] * (shades[here, layer] - laid[here])
    colour = np.broadcast_to(paper, (height * width, 3)).copy()
    colour[covered] = laid
    fine = colour.reshape(height // OVERSAMPLE, OVERSAMPLE, width // OVERSAMPLE, OVERSAMPLE, 3)
    return np.asarray(fine.mean(axis=(1, 3)), dtype=np.float32)


def _surface(
    part: Part, centre: FloatArray, axes: FloatArray, scale: float, size: tuple[int, int]
) -> tuple[NDArray[np.int64], Float32Array, Float32Array]:
    """The pixels (n,) that a part covers, its depth there (n,) towards the looker, its front's shaded colour (n, 3)."""
    width, height = size
    points = (np.asarray(part.mesh.vertices) - centre) @ axes
    points[:, :2] = points[:, :2] * scale * [1, -1] + [width / 2, height / 2]
    normals = (np.asarray(part.mesh.vertex_normals) @ axes).astype(np.float32)
    # only the part's own box is held: most parts are far smaller than the picture
    first = np.clip(np.floor(points[:, :2].min(axis=0)), 0, size).astype(int)
    across, down = np.maximum(np.clip(np.ceil(points[:, :2].max(axis=0)), 0, size).astype(int) + 1 - first, 1)
    depth, normal = np.full(down * across, FAR, np.float32), np.zeros((down * across, 3), np.float32)
    corners = points.astype(np.float32)[part.mesh.faces]
    ahead = _area(corners) < 0  # rows run down: a triangle that faces the looker turns the other way
    for corner, weights, faces in _lattices(corners[ahead], np.asarray(part.mesh.faces)[ahead]):
        at = np.tensordot(weights, corner, axes=(1, 1))  # (samples, triangles, 3)
        column, row = at[..., 0].astype(np.int32), at[..., 1].astype(np.int32)
        seen = (at[..., 0] >= 0) & (column < width) & (at[..., 1] >= 0) & (row < height)
        pixel, near = ((row - first[1]) * across + column - first[0])[seen], at[..., 2][seen]
        np.maximum.at(depth, pixel, near)
        front = near >= depth[pixel]
        sample, triangle = (index[front] for index in np.nonzero(seen))
        normal[pixel[front]] = np.einsum("nc,ncd->nd", weights[sample], normals[faces[triangle]])
    covered = np.flatnonzero(depth > FAR)
    pixels = (covered // across + first[1]) * width + covered % across + first[0]
    normal = normal[covered]
    normal /= np.maximum(np.sqrt(np.einsum("nd,nd->n", normal, normal)), 1e-6)[:, None]
    lamp = (LAMP / np.linalg.norm(LAMP)).astype(np.float32)
    facing = np.clip(normal @ lamp, 0, 1)
    gloss = np.clip(2 * facing * normal[:, 2] - lamp[2], 0, 1) ** 24
    light = (AMBIENT + DIFFUSE * facing)[:, None] * rgb(part.colour).astype(np.float32)
    return pixels, depth[covered], np.clip(light + SHINE * gloss[:, None], 0, 1)


def _area(corners: Float32Array) -> Float32Array:
    """Twice the signed area (n,) of triangles (n, 3 corners, 3) in the picture."""
    (ax, ay), (bx, by) = np.moveaxis(corners[:, 1:, :2] - corners[:, :1, :2], (1, 2), (0, 1))
    return np.asarray(ax * by - ay * bx)


def _lattices(corners: Float32Array, faces: np.ndarray) -> Iterator[tuple[Float32Array, Float32Array, np.ndarray]]:
    """Triangles (n, 3 corners, 3) grouped by size, with weights (m, 3) that put points on them closer than a pixel.

    Points lie in rows along the longest edge, so that a sliver costs no more than its area.
    """
    edges = np.linalg.norm(np.roll(corners, -1, axis=1)[..., :2] - corners[..., :2], axis=-1)
    first = edges.argmax(axis=1)
    turned = (first[:, None] + np.arange(3)) % 3
    corners, faces = np.take_along_axis(corners, turned[..., None], axis=1), np.take_along_axis(faces, turned, axis=1)
    long = edges.max(axis=1)
    size = np.stack([long, np.abs(_area(corners)) / np.maximum(long, 1e-3)], axis=1)
    steps = STEPS[np.searchsorted(STEPS, np.minimum(DENSITY * size, STEPS[-1]))]
    for along, across in np.unique(steps, axis=0):
        weights = _weights(int(along), int(across))
        chosen = (steps == (along, across)).all(axis=1)
        yield corners[chosen], weights, faces[chosen]


@functools.cache
def _weights(along: int, across: int) -> Float32Array:
    """Weights (m, 3) of a triangle's corners at points on it.

    Args:
        along: steps on its longest edge, fewer towards the tip. across: steps from there to the tip.
    """
    rows = []
    for t in np.linspace(0, 1, across + 1):
        s = np.linspace(0, 1, int(np.ceil((1 - t) * along)) + 1)
        rows.append(np.stack([(1 - s) * (1 - t), s * (1 - t), np.full(len(s), t)], axis=1))
    return np.concatenate(rows).astype(np.float32)
