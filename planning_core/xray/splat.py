"""Points of bone spread over a picture, and how the picture changes as they move: compiled.

Each point gives its mass to the four pixels about it, bilinearly. Pictures are compared after a blur wider than the points'
spacing, so that the sum of points is the bone's line integral up to a factor that is the same all over (Westover 1990).
"""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import Float32Array
from planning_core.imaging.drr.kernels import compiled


@compiled
def _spread(pixels, mass, out):  # type: ignore[no-untyped-def]
    """Add points at pixels (m, 2) with masses (m,) to a picture."""
    rows, columns = out.shape
    for n in range(mass.size):
        row, column = pixels[n, 0], pixels[n, 1]
        if not (0 <= row < rows - 1 and 0 <= column < columns - 1):
            continue
        i, j = int(row), int(column)
        a, b = row - i, column - j
        out[i, j] += mass[n] * (1 - a) * (1 - b)
        out[i, j + 1] += mass[n] * (1 - a) * b
        out[i + 1, j] += mass[n] * a * (1 - b)
        out[i + 1, j + 1] += mass[n] * a * b


@compiled
def _spread_moves(pixels, mass, down, across, out):  # type: ignore[no-untyped-def]
    """Add how the picture changes with each parameter: moves down and across (m, p) pixels per unit; out (rows, columns, p)."""
    rows, columns, count = out.shape
    for n in range(mass.size):
        row, column = pixels[n, 0], pixels[n, 1]
        if not (0 <= row < rows - 1 and 0 <= column < columns - 1):
            continue
        i, j = int(row), int(column)
        a, b = row - i, column - j
        m = mass[n]
        for p in range(count):
            d, c = m * down[n, p], m * across[n, p]
            out[i, j, p] -= (1 - b) * d + (1 - a) * c
            out[i, j + 1, p] += (1 - a) * c - b * d
            out[i + 1, j, p] += (1 - b) * d - a * c
            out[i + 1, j + 1, p] += b * d + a * c


def spread(pixels: Float32Array, mass: Float32Array, size: tuple[int, int]) -> Float32Array:
    """(rows, columns) float32: points at pixels (m, 2) float32 (row, column) with masses (m,) float32."""
    out = np.zeros(size, np.float32)
    _spread(pixels, mass, out)
    return out


def spread_moves(pixels: Float32Array, mass: Float32Array, moves: Float32Array, size: tuple[int, int]) -> Float32Array:
    """(p, rows, columns) float32: derivative of ``spread`` where the points move by moves (2, m, p) float32 pixels per unit."""
    out = np.zeros((*size, moves.shape[2]), np.float32)
    _spread_moves(pixels, mass, moves[0], moves[1], out)
    return np.ascontiguousarray(np.moveaxis(out, -1, 0))
