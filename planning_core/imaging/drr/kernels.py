"""Line integrals through voxels, compiled: everything here is in index units, faces of the volume at whole numbers.

A ray crosses the volume layer by layer along its main direction c; across it, along a and b, it meets at most one border of
voxels in each layer. So a layer costs three voxels and no branch, and layers do not wait for each other, as steps from border to
border would.

Rows of the picture are independent; the kernels let go of Python's lock, so that threads share a picture without a compiler's own
thread pool (whose calls may not come from two threads at once).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

FASTMATH = {"nsz", "arcp", "contract", "reassoc"}
"""Not the flags that forbid infinity."""
SAFE = 1e-6
"""Voxels: how far from the outer faces a layer must lie to be read without looking whether it is inside."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled on first use and kept: beside the source, or in the user's own cache where that is read-only.

    Where neither can be written it is compiled anew in each process.
    """
    try:
        return numba.njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")(function)
    except RuntimeError:  # numba finds no place for its cache
        return numba.njit(nogil=True, fastmath=FASTMATH, error_model="numpy")(function)


@compiled
def main_axis(d0, d1, d2):  # type: ignore[no-untyped-def]
    """Which of three components is the largest."""
    if abs(d0) >= abs(d1) and abs(d0) >= abs(d2):
        return 0
    return 1 if abs(d1) >= abs(d2) else 2


@compiled
def layers(offset, slope, low, high, first, last):  # type: ignore[no-untyped-def]
    """The part of first..last along c for which low ≤ offset + c * slope ≤ high; last < first where there is none."""
    if slope == 0.0:
        return (first, last) if low <= offset <= high else (1.0, 0.0)
    near, far = (low - offset) / slope, (high - offset) / slope
    if near > far:
        near, far = far, near
    return max(first, near), min(last, far)


@compiled
def held(flat, i, j, plane, na, nb, step_a, step_b, step_c):  # type: ignore[no-untyped-def]
    """The voxel's value, zero outside."""
    if i < 0 or j < 0 or i >= na or j >= nb:
        return np.float32(0.0)
    return flat[plane * step_c + j * step_b + i * step_a]


@compiled
def siddon_rows(flat, steps, size, source, first, down, across, spacing, start, stop, out):  # type: ignore[no-untyped-def]
    """Exact integrals over constant voxels (Siddon 1985), rows start..stop.

    Args:
        flat: float32, the voxels as they lie in memory; steps: (3,) from one to the next along i, j, k.
        size: (3,) ni, nj, nk. spacing: (3,) mm.
        source, first, down, across: (3,) i, j, k: source, first pixel, steps to the next row and column.
        out: (rows, columns) float32, mm times the voxels' unit.
    """
    d = np.empty(3)
    for row in range(start, stop):
        for column in range(out.shape[1]):
            for axis in range(3):
                d[axis] = first[axis] + down[axis] * row + across[axis] * column - source[axis]
            ic = main_axis(d[0], d[1], d[2])
            ia, ib = (1, 2) if ic == 0 else ((0, 2) if ic == 1 else (0, 1))
            na, nb, nc = size[ia], size[ib], size[ic]
            step_a, step_b, step_c = steps[ia], steps[ib], steps[ic]
            slope_a, slope_b = d[ia] / d[ic], d[ib] / d[ic]
            at_a, at_b = source[ia] - source[ic] * slope_a, source[ib] - source[ic] * slope_b
            low, high = layers(at_a, slope_a, 0.0, float(na), 0.0, float(nc))
            low, high = layers(at_b, slope_b, 0.0, float(nb), low, high)
            if low >= high:
                out[row, column] = 0.0
                continue
            lowest, highest = max(int(np.floor(low)), 0), min(int(np.ceil(high)), nc)
            low, high = layers(at_a, slope_a, SAFE, na - SAFE, 0.0, float(nc))
            low, high = layers(at_b, slope_b, SAFE, nb - SAFE, low, high)
            begin = min(max(int(np.ceil(low)), lowest), highest)
            end = max(min(int(np.floor(high)), highest), begin)
            per_a = 1.0 / slope_a if slope_a != 0.0 else 0.0
            per_b = 1.0 / slope_b if slope_b != 0.0 else 0.0
            total = 0.0
            for plane in range(begin, end):
                a, b = at_a + plane * slope_a, at_b + plane * slope_b
                i0, i1, j0, j1 = np.int32(a), np.int32(a + slope_a), np.int32(b), np.int32(b + slope_b)
                cut_a = 1.0 if i0 == i1 else (max(i0, i1) - a) * per_a
                cut_b = 1.0 if j0 == j1 else (max(j0, j1) - b) * per_b
                im, jm = (i1, j0) if cut_a < cut_b else (i0, j1)
                base = plane * step_c
                one, two = min(cut_a, cut_b), max(cut_a, cut_b)
                total += (
                    flat[base + j0 * step_b + i0 * step_a] * one
                    + flat[base + jm * step_b + im * step_a] * (two - one)
                    + flat[base + j1 * step_b + i1 * step_a] * (1.0 - two)
                )
            for part in range(2):
                for plane in range(lowest if part == 0 else end, begin if part == 0 else highest):
                    a, b = at_a + plane * slope_a, at_b + plane * slope_b
                    i0, i1 = int(np.floor(a)), int(np.floor(a + slope_a))
                    j0, j1 = int(np.floor(b)), int(np.floor(b + slope_b))
                    cut_a = 1.0 if i0 == i1 else (max(i0, i1) - a) * per_a
                    cut_b = 1.0 if j0 == j1 else (max(j0, j1) - b) * per_b
                    im, jm = (i1, j0) if cut_a < cut_b else (i0, j1)
                    one, two = min(cut_a, cut_b), max(cut_a, cut_b)
                    total += (
                        held(flat, i0, j0, plane, na, nb, step_a, step_b, step_c) * one
                        + held(flat, im, jm, plane, na, nb, step_a, step_b, step_c) * (two - one)
                        + held(flat, i1, j1, plane, na, nb, step_a, step_b, step_c) * (1.0 - two)
                    )
            length = np.sqrt((d[0] * spacing[0]) ** 2 + (d[1] * spacing[1]) ** 2 + (d[2] * spacing[2]) ** 2)
            out[row, column] = total * length / abs(d[ic])


@compiled
def joseph_rows(flat, steps, size, ic, source, first, down, across, spacing, start, stop, out, slopes):  # type: ignore[no-untyped-def]
    """Integrals over values interpolated within layers (Joseph 1982) and how they change with both ends of each ray.

    The value in the middle of each layer is bilinear between four voxels and counts for the whole layer; zero lies beyond the
    outer voxels. Smooth in the ray, which Siddon's integral is not.

    Args:
        ic: the rays' main direction. The others as in ``siddon_rows``.
        slopes: (rows, columns, 6) float32, filled: per index unit of the source i, j, k and of the pixel i, j, k; or empty.
    """
    wanted = slopes.shape[0] > 0
    ia, ib = (1, 2) if ic == 0 else ((0, 2) if ic == 1 else (0, 1))
    d = np.empty(3)
    for row in range(start, stop):
        for column in range(out.shape[1]):
            for axis in range(3):
                d[axis] = first[axis] + down[axis] * row + across[axis] * column - source[axis]
            out[row, column] = 0.0
            if wanted:
                slopes[row, column, :] = 0.0
            na, nb, nc = size[ia], size[ib], size[ic]
            step_a, step_b, step_c = steps[ia], steps[ib], steps[ic]
            slope_a, slope_b = d[ia] / d[ic], d[ib] / d[ic]
            # from here on by the middles of layers and voxels
            at_a = source[ia] + (0.5 - source[ic]) * slope_a - 0.5
            at_b = source[ib] + (0.5 - source[ic]) * slope_b - 0.5
            low, high = layers(at_a, slope_a, -1.0, float(na), 0.0, nc - 1.0)
            low, high = layers(at_b, slope_b, -1.0, float(nb), low, high)
            if low > high:
                continue
            lowest, highest = int(np.ceil(low)), int(np.floor(high)) + 1
            low, high = layers(at_a, slope_a, SAFE, na - 1 - SAFE, 0.0, nc - 1.0)
            low, high = layers(at_b, slope_b, SAFE, nb - 1 - SAFE, low, high)
            begin = min(max(int(np.ceil(low)), lowest), highest)
            end = max(min(int(np.floor(high)) + 1, highest), begin)
            total = 0.0
            sum_a = sum_b = late_a = late_b = 0.0  # slopes across, and weighted by how far along c
            for plane in range(begin, end):
                a, b = at_a + plane * slope_a, at_b + plane * slope_b
                i, j = np.int32(a), np.int32(b)
                fa, fb = a - i, b - j
                base = plane * step_c + j * step_b + i * step_a
                v00, v01 = flat[base], flat[base + step_a]
                v10, v11 = flat[base + step_b], flat[base + step_b + step_a]
                near, far = v00 + fa * (v01 - v00), v10 + fa * (v11 - v10)
                total += near + fb * (far - near)
                if wanted:
                    along_a, along_b = (v01 - v00) * (1 - fb) + (v11 - v10) * fb, far - near
                    sum_a += along_a
                    sum_b += along_b
                    late_a += along_a * plane
                    late_b += along_b * plane
            for part in range(2):
                for plane in range(lowest if part == 0 else end, begin if part == 0 else highest):
                    a, b = at_a + plane * slope_a, at_b + plane * slope_b
                    i, j = int(np.floor(a)), int(np.floor(b))
                    fa, fb = a - i, b - j
                    v00 = held(flat, i, j, plane, na, nb, step_a, step_b, step_c)
                    v01 = held(flat, i + 1, j, plane, na, nb, step_a, step_b, step_c)
                    v10 = held(flat, i, j + 1, plane, na, nb, step_a, step_b, step_c)
                    v11 = held(flat, i + 1, j + 1, plane, na, nb, step_a, step_b, step_c)
                    near, far = v00 + fa * (v01 - v00), v10 + fa * (v11 - v10)
                    total += near + fb * (far - near)
                    if wanted:
                        along_a, along_b = (v01 - v00) * (1 - fb) + (v11 - v10) * fb, far - near
                        sum_a += along_a
                        sum_b += along_b
                        late_a += along_a * plane
                        late_b += along_b * plane
            length = np.sqrt((d[0] * spacing[0]) ** 2 + (d[1] * spacing[1]) ** 2 + (d[2] * spacing[2]) ** 2)
            per_layer = length / abs(d[ic])
            out[row, column] = total * per_layer
            if wanted:
                # a point at share t of the way moves by (1 - t) of the source's move and t of the pixel's
                by_pixel_a = (late_a + (0.5 - source[ic]) * sum_a) / d[ic]
                by_pixel_b = (late_b + (0.5 - source[ic]) * sum_b) / d[ic]
                by_source_a, by_source_b = sum_a - by_pixel_a, sum_b - by_pixel_b
                # a layer's length along the ray grows with the ray's slant
                scale = total / (length * abs(d[ic]))
                pull_a, pull_b = scale * d[ia] * spacing[ia] ** 2, scale * d[ib] * spacing[ib] ** 2
                pull_c = scale * d[ic] * spacing[ic] ** 2 - total * per_layer / d[ic]
                slopes[row, column, ia] = by_source_a * per_layer - pull_a
                slopes[row, column, ib] = by_source_b * per_layer - pull_b
                slopes[row, column, ic] = -(by_source_a * slope_a + by_source_b * slope_b) * per_layer - pull_c
                slopes[row, column, 3 + ia] = by_pixel_a * per_layer + pull_a
                slopes[row, column, 3 + ib] = by_pixel_b * per_layer + pull_b
                slopes[row, column, 3 + ic] = -(by_pixel_a * slope_a + by_pixel_b * slope_b) * per_layer + pull_c
