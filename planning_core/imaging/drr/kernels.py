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
SAFE = 1e-2
"""Voxels: how far from the outer faces a layer must lie to be read without looking whether it is inside."""
TOGETHER = 64
"""Columns of a block of rays that are followed together."""
LEAST_SLOPE = 1e-9


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
def per(slope):  # type: ignore[no-untyped-def]
    """How many layers a ray takes for one voxel across."""
    return 1.0 / max(abs(slope), LEAST_SLOPE)


@compiled
def held(flat, i, j, plane, na, nb, step_a, step_b, step_c):  # type: ignore[no-untyped-def]
    """The voxel's value, zero outside."""
    if i < 0 or j < 0 or i >= na or j >= nb:
        return np.float32(0.0)
    return flat[plane * step_c + j * step_b + i * step_a]


@compiled
def crossed(flat, steps, size, ic, at_a, at_b, slope_a, slope_b, start, stop):  # type: ignore[no-untyped-def]
    """Sum over layers start..stop of way times value, in layers, wherever the ray may be."""
    ia, ib = (1, 2) if ic == 0 else ((0, 2) if ic == 1 else (0, 1))
    na, nb = size[ia], size[ib]
    total = 0.0
    for plane in range(start, stop):
        a, b = at_a + plane * slope_a, at_b + plane * slope_b
        i0, i1 = int(np.floor(a)), int(np.floor(a + slope_a))
        j0, j1 = int(np.floor(b)), int(np.floor(b + slope_b))
        cut_a = 1.0 if i0 == i1 else (max(i0, i1) - a) / slope_a
        cut_b = 1.0 if j0 == j1 else (max(j0, j1) - b) / slope_b
        im, jm = (i1, j0) if cut_a < cut_b else (i0, j1)
        one, two = min(cut_a, cut_b), max(cut_a, cut_b)
        total += (
            held(flat, i0, j0, plane, na, nb, steps[ia], steps[ib], steps[ic]) * one
            + held(flat, im, jm, plane, na, nb, steps[ia], steps[ib], steps[ic]) * (two - one)
            + held(flat, i1, j1, plane, na, nb, steps[ia], steps[ib], steps[ic]) * (1.0 - two)
        )
    return total


@compiled
def crossed_together(flat, steps, ic, at_a, at_b, slope_a, slope_b, per_a, per_b, start, stop, total):  # type: ignore[no-untyped-def]
    """The same for many neighbouring rays at once, layer by layer, all of them well inside: (n,) float32 each.

    Neighbours read the same lines of memory, one after the other. Where a ray meets no border along a or b, the cut that is
    computed for it divides a voxel from itself.
    """
    ia, ib = (1, 2) if ic == 0 else ((0, 2) if ic == 1 else (0, 1))
    step_a, step_b = np.int32(steps[ia]), np.int32(steps[ib])
    whole = np.float32(1.0)
    for plane in range(start, stop):
        base, along = np.int32(plane * steps[ic]), np.float32(plane)
        for n in range(total.size):
            a, b = at_a[n] + along * slope_a[n], at_b[n] + along * slope_b[n]
            i0, i1 = np.int32(a), np.int32(a + slope_a[n])
            j0, j1 = np.int32(b), np.int32(b + slope_b[n])
            if i0 == i1 and j0 == j1:
                total[n] += flat[np.uint64(base + j0 * step_b + i0 * step_a)]
            else:
                cut_a = min(whole, abs(np.float32(max(i0, i1)) - a) * per_a[n])
                cut_b = min(whole, abs(np.float32(max(j0, j1)) - b) * per_b[n])
                row0, row1 = base + j0 * step_b, base + j1 * step_b
                first, last = flat[np.uint64(row0 + i0 * step_a)], flat[np.uint64(row1 + i1 * step_a)]
                middle = flat[np.uint64(row0 + i1 * step_a)] if cut_a < cut_b else flat[np.uint64(row1 + i0 * step_a)]
                one, two = min(cut_a, cut_b), max(cut_a, cut_b)
                total[n] += first * one + last * (whole - two) + middle * (two - one)


@compiled
def siddon_rows(flat, steps, size, source, first, down, across, spacing, start, stop, out):  # type: ignore[no-untyped-def]
    """Exact integrals over constant voxels (Siddon 1985), rows start..stop.

    Args:
        flat: float32, the voxels as they lie in memory; steps: (3,) from one to the next along i, j, k.
        size: (3,) ni, nj, nk. spacing: (3,) mm.
        source, first, down, across: (3,) i, j, k: source, first pixel, steps to the next row and column.
        out: (rows, columns) float32, mm times the voxels' unit.
    """
    room = (stop - start) * TOGETHER
    rays = np.empty((6, room), np.float32)
    exact = np.empty((5, room))
    inside = np.empty((3, room), np.int64)
    d = np.empty(3)
    for left in range(0, out.shape[1], TOGETHER):
        right = min(left + TOGETHER, out.shape[1])
        count, same = 0, True
        begin, end = 0, size.max()
        for row in range(start, stop):
            for column in range(left, right):
                for axis in range(3):
                    d[axis] = first[axis] + down[axis] * row + across[axis] * column - source[axis]
                ic = main_axis(d[0], d[1], d[2])
                ia, ib = (1, 2) if ic == 0 else ((0, 2) if ic == 1 else (0, 1))
                slope_a, slope_b = d[ia] / d[ic], d[ib] / d[ic]
                at_a, at_b = source[ia] - source[ic] * slope_a, source[ib] - source[ic] * slope_b
                na, nb, nc = float(size[ia]), float(size[ib]), float(size[ic])
                low, high = layers(at_a, slope_a, 0.0, na, 0.0, nc)
                low, high = layers(at_b, slope_b, 0.0, nb, low, high)
                lowest, highest = (max(int(np.floor(low)), 0), min(int(np.ceil(high)), size[ic])) if low < high else (0, 0)
                low, high = layers(at_a, slope_a, SAFE, na - SAFE, 0.0, nc)
                low, high = layers(at_b, slope_b, SAFE, nb - SAFE, low, high)
                same = same and (count == 0 or ic == inside[0, 0])
                begin, end = max(begin, lowest, int(np.ceil(low))), min(end, highest, int(np.floor(high)))
                inside[:, count] = ic, lowest, highest
                length = np.sqrt((d[0] * spacing[0]) ** 2 + (d[1] * spacing[1]) ** 2 + (d[2] * spacing[2]) ** 2)
                exact[:, count] = at_a, at_b, slope_a, slope_b, length / abs(d[ic])
                rays[:, count] = at_a, at_b, slope_a, slope_b, per(slope_a), per(slope_b)
                count += 1
        total = np.zeros(count, np.float32)
        if same and begin < end:
            some = rays[:, :count]
            crossed_together(flat, steps, inside[0, 0], some[0], some[1], some[2], some[3], some[4], some[5], begin, end, total)
        else:
            begin = end = 0
        n = 0
        for row in range(start, stop):
            for column in range(left, right):
                ic, lowest, highest = inside[0, n], inside[1, n], inside[2, n]
                a, b, slope_a, slope_b, per_layer = exact[0, n], exact[1, n], exact[2, n], exact[3, n], exact[4, n]
                outer = crossed(flat, steps, size, ic, a, b, slope_a, slope_b, lowest, max(begin, lowest)) if begin < end else 0.0
                outer += crossed(flat, steps, size, ic, a, b, slope_a, slope_b, max(end, lowest), highest)
                out[row, column] = (total[n] + outer) * per_layer
                n += 1


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
                    left, below = int(np.floor(a)), int(np.floor(b))
                    fa, fb = a - left, b - below
                    v00 = held(flat, left, below, plane, na, nb, step_a, step_b, step_c)
                    v01 = held(flat, left + 1, below, plane, na, nb, step_a, step_b, step_c)
                    v10 = held(flat, left, below + 1, plane, na, nb, step_a, step_b, step_c)
                    v11 = held(flat, left + 1, below + 1, plane, na, nb, step_a, step_b, step_c)
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
