"""Signed distance fields: the one form in which anatomy is compared, fitted and kept clear of."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import ArrayLike

from planning_core.geometry.arrays import BoolArray, Float32Array, FloatArray, frozen_float32
from planning_core.geometry.grid import Grid
from planning_core.geometry.transform import FrameMismatchError, RigidTransform

NEAR_MM = 12.0
"""Distances are exact up to here from a mask's bounding box, and an upper estimate beyond."""
PIECE = 1 << 14
"""Points looked up at once: what is worked out about them stays in the processor's cache."""


@attrs.frozen(eq=False)
class DistanceField:
    """Signed distance to a surface, mm, negative inside, sampled on a grid.

    Args:
        values: (nk, nj, ni) float32 mm.
        grid: where the samples lie, in a named frame.
    """

    values: Float32Array = attrs.field(converter=frozen_float32)
    grid: Grid

    def __attrs_post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise ValueError(f"field of shape {self.values.shape} on a grid of shape {self.grid.shape}")

    @classmethod
    def from_mask(cls, mask: BoolArray, grid: Grid, smooth_mm: float | None = None) -> DistanceField:
        """Distance to the surface of a binary mask; the zero level runs halfway between in- and outside voxels.

        Args:
            mask: (nk, nj, ni) bool.
            smooth_mm: spread of a Gaussian over the field, which rounds voxel stairs off; by default half a voxel along
                each axis, which moves no flat face; the number of voxels inside stays what it was.
        """
        if not mask.any():
            return cls(np.full(grid.shape, np.float32(1e3)), grid)
        spacing = grid.spacing_mm[::-1]
        reach = np.ceil(NEAR_MM / spacing).astype(int)
        box = ndi.find_objects(mask.astype(np.uint8))[0]
        near = tuple(slice(max(0, s.start - r), min(n, s.stop + r)) for s, r, n in zip(box, reach, mask.shape, strict=True))
        padded = np.pad(mask[near], 1)
        exact = (_to_face(~padded, spacing) - _to_face(padded, spacing))[1:-1, 1:-1, 1:-1]
        field = _beyond(exact, near, mask.shape, spacing)
        sigma = np.full(3, 0.5) if smooth_mm is None else smooth_mm / spacing
        if sigma.any():
            field = ndi.gaussian_filter(field, sigma)
            # rounding edges off takes volume away: move the zero level until as many voxels are inside as before
            field -= np.partition(field, inside := int(mask.sum()), axis=None)[inside]
        return cls(field, grid)

    def at(self, points_mm: ArrayLike) -> FloatArray:
        """Distance at points (..., 3) mm in the grid's frame; beyond the grid, border value plus the way to it."""
        points = np.asarray(points_mm, dtype=np.float64)
        flat = points.reshape(-1, 3)
        found = np.empty(len(flat))
        for n in range(0, len(flat), PIECE):
            found[n : n + PIECE] = self._at_index(np.ascontiguousarray(self.grid.indices(flat[n : n + PIECE]).T))
        return found.reshape(points.shape[:-1])

    def _at_index(self, index: FloatArray) -> FloatArray:
        """Distance at continuous indices (3, n), one row each of k, j, i."""
        clamped = np.clip(index, 0, np.array(self.grid.shape)[:, None] - 1)
        values = ndi.map_coordinates(self.values, clamped, output=np.float64, order=1, mode="nearest")
        away = np.subtract(index, clamped, out=clamped)
        away *= self.grid.spacing_mm[::-1, None]
        return np.asarray(values + np.sqrt(np.einsum("an,an->n", away, away)))

    def gradient_at(self, points_mm: ArrayLike, step_mm: float = 0.5) -> FloatArray:
        """Unit outward gradient (..., 3) at points (..., 3) mm, by central differences."""
        points = np.asarray(points_mm, dtype=np.float64)
        steps = np.eye(3) * step_mm
        gradient = np.stack([self.at(points + s) - self.at(points - s) for s in steps], axis=-1)
        return np.asarray(gradient / np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-9))

    def inside(self) -> BoolArray:
        """(nk, nj, ni) bool: voxels whose centre lies inside."""
        return self.values < 0

    def volume_ml(self) -> float:
        """Volume enclosed, by partial voxels along the surface (linear in the distance, ±half a voxel)."""
        half = float(np.mean(self.grid.spacing_mm)) / 2
        return float(np.clip(0.5 - self.values / (2 * half), 0, 1).sum(dtype=np.float64)) * self.grid.voxel_ml

    def moved(self, transform: RigidTransform, grid: Grid) -> DistanceField:
        """This field seen on ``grid``, whose frame is ``transform.dst``; ``transform.src`` is this field's frame."""
        if transform.src != self.grid.frame or transform.dst != grid.frame:
            raise FrameMismatchError(
                f"T_{transform.dst}_{transform.src} cannot move a field from {self.grid.frame} to {grid.frame}",
                left=transform.src,
                right=self.grid.frame,
            )
        back = transform.inverse()
        there = Grid(grid.shape, grid.spacing_mm, back.apply(grid.origin_mm), back.rotate(grid.direction.T).T, self.grid.frame)
        return DistanceField(self.on(there).values, grid)

    def on(self, grid: Grid) -> DistanceField:
        """This field on another grid of the same frame."""
        values = np.empty(grid.shape, np.float32)
        rows = max(1, PIECE // (grid.shape[1] * grid.shape[2]))
        for k in range(0, grid.shape[0], rows):
            index = self.grid.indices_on(grid, slice(k, k + rows))
            values[k : k + rows] = self._at_index(index.reshape(3, -1)).reshape(index.shape[1:])
        return DistanceField(values, grid)


def _beyond(exact: Float32Array, near: tuple[slice, ...], shape: tuple[int, ...], spacing: FloatArray) -> Float32Array:
    """A field known in a box, carried on outside it: the border's value plus the way to the box."""
    if exact.shape == shape:
        return exact
    field = np.pad(exact, [(s.start, n - s.stop) for s, n in zip(near, shape, strict=True)], mode="edge")
    away = np.zeros((1, 1, 1))
    for axis, (s, n, h) in enumerate(zip(near, shape, spacing, strict=True)):
        k = np.arange(n)
        over = np.maximum(np.maximum(s.start - k, k - s.stop + 1), 0) * h
        away = away + (over**2).reshape([-1 if a == axis else 1 for a in range(3)])
    return np.asarray(field + np.sqrt(away), dtype=np.float32)


def _to_face(mask: BoolArray, spacing: FloatArray) -> Float32Array:
    """For each voxel of ``mask`` the distance to the nearest face towards a voxel outside it, 0 elsewhere.

    The exact transform measures to voxel centres; the face lies half a step before, a step being as long as the voxels
    are in that direction (3 mm across sagittal slices, 1 mm within them).
    """
    nearest = ndi.distance_transform_edt(mask, spacing, return_distances=False, return_indices=True)
    steps = [
        np.abs(n - np.arange(m).reshape([-1 if a == b else 1 for b in range(3)]))
        for a, (n, m) in enumerate(zip(nearest, mask.shape, strict=True))
    ]
    away = np.sqrt(sum((s * h) ** 2 for s, h in zip(steps, spacing, strict=True)))
    count = np.maximum.reduce(steps)
    return np.asarray(away * (1 - 0.5 / np.maximum(count, 1)), dtype=np.float32)
