"""Voxels carried from one grid to another whose voxel centres coincide: turned, flipped, cropped or padded, never resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from planning_core.geometry.grid import Grid

TOLERANCE = 0.25


def misfit(grid: Grid, onto: Grid) -> float:
    """How far the two grids' voxel centres are from coinciding where they overlap, in voxels of ``grid``."""
    step, start = _index_map(grid, onto)
    turn = np.round(step)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in onto.shape], indexing="ij")).reshape(3, -1).T
    away = corners @ (step - turn).T + (start - np.round(start))
    return float(np.abs(away).max()) if _is_turn(turn) else float("inf")


def laid_onto(array: NDArray[Any], grid: Grid, onto: Grid) -> NDArray[Any]:
    """The array's values at the voxels of ``onto``, 0 beyond them.

    Args:
        array: (nk, nj, ni) on ``grid``. onto: a grid in the same frame whose voxel centres coincide (see ``misfit``).

    Raises:
        ValueError: the centres are further apart than a quarter of a voxel.
    """
    apart = misfit(grid, onto)
    if apart > TOLERANCE:
        raise ValueError(f"voxel centres are up to {apart:.2f} voxels apart")
    step, start = _index_map(grid, onto)
    turn, first = np.round(step).astype(int), np.round(start).astype(int)
    source = np.abs(turn).argmax(axis=0)  # axis of array that moves along each axis of onto
    moved = array.transpose(source)
    out = np.zeros(onto.shape, array.dtype)
    take, put = [], []
    for axis, along in enumerate(source):
        sign, begin = int(turn[along, axis]), int(first[along])
        where = begin + sign * np.arange(onto.shape[axis])
        inside = np.flatnonzero((where >= 0) & (where < array.shape[along]))
        if not len(inside):
            return out
        take.append(where[inside])
        put.append(slice(int(inside[0]), int(inside[-1]) + 1))
    out[tuple(put)] = moved[np.ix_(*take)]
    return out


def _index_map(grid: Grid, onto: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3, 3) and (3,): index in ``grid`` = step @ index in ``onto`` + start, both in k, j, i order."""
    start = grid.indices(onto.points([0, 0, 0]))
    step = np.column_stack([grid.indices(onto.points(unit)) - start for unit in np.eye(3)])
    return step, start


def _is_turn(matrix: NDArray[np.float64]) -> bool:
    return bool(np.array_equal(np.abs(matrix) @ np.abs(matrix).T, np.eye(3)))
