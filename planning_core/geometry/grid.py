"""Where the voxels of an array lie: a regular grid in a named frame."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.geometry.arrays import FloatArray, frozen_float64, frozen_vector, rotated


def _shape(values: Iterable[int]) -> tuple[int, int, int]:
    nk, nj, ni = (int(n) for n in values)
    return nk, nj, ni


def _identity() -> FloatArray:
    return np.eye(3)


@attrs.frozen(eq=False)
class Grid:
    """A regular sampling grid.

    Arrays on a grid are indexed ``[k, j, i]`` (slice, row, column: SimpleITK's order); spacing and origin are given
    ``x, y, z`` = along ``i, j, k``. ``direction``'s columns are the unit steps of i, j, k in ``frame``; files may store
    them left-handed, which is why a grid is no ``RigidTransform``.

    Args:
        shape: (nk, nj, ni).
        spacing_mm: (3,) mm along i, j, k.
        origin_mm: (3,) centre of voxel [0, 0, 0] in ``frame``, mm.
        direction: (3, 3) orthonormal.
        frame: frame name, ``ct_lps`` or ``vertebra_<level>``.
    """

    shape: tuple[int, int, int] = attrs.field(converter=_shape)
    spacing_mm: FloatArray = attrs.field(converter=frozen_vector)
    origin_mm: FloatArray = attrs.field(converter=frozen_vector)
    direction: FloatArray = attrs.field(factory=_identity, converter=frozen_float64)
    frame: str = "ct_lps"

    def __attrs_post_init__(self) -> None:
        if min(self.shape) < 1 or self.spacing_mm.min() <= 0:
            raise ValueError(f"grid needs positive shape and spacing, got {self.shape}, {self.spacing_mm}")
        if self.direction.shape != (3, 3) or np.abs(self.direction.T @ self.direction - np.eye(3)).max() > 1e-4:
            raise ValueError(f"grid direction is not orthonormal: {self.direction.tolist()}")

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    @functools.cached_property
    def upright(self) -> bool:
        """Whether it lies along its frame's axes."""
        return np.array_equal(self.direction, np.eye(3))

    def points(self, index_kji: ArrayLike) -> FloatArray:
        """Continuous indices (..., 3) in k, j, i order to points (..., 3) mm in ``frame``."""
        ijk = np.asarray(index_kji, dtype=np.float64)[..., ::-1]
        steps = ijk * self.spacing_mm
        return np.asarray((steps if self.upright else rotated(steps, self.direction)) + self.origin_mm)

    def indices(self, points_mm: ArrayLike) -> FloatArray:
        """Points (..., 3) mm in ``frame`` to continuous indices (..., 3) in k, j, i order."""
        away = np.asarray(points_mm, dtype=np.float64) - self.origin_mm
        return np.asarray(((away if self.upright else rotated(away, self.direction.T)) / self.spacing_mm)[..., ::-1])

    def indices_on(self, other: Grid, slices: slice = slice(None)) -> FloatArray:
        """(3, nk, nj, ni): continuous k, j, i in this grid of every voxel of another in the same frame, or of some of its slices.

        The map from index to index is affine: three sums by broadcasting instead of a point per voxel.
        """
        first = self.indices(other.origin_mm)
        steps = self.indices(other.points(np.eye(3))) - first
        k, j, i = (np.arange(n) * step[:, None] for n, step in zip(other.shape, steps, strict=True))
        return np.asarray((first[:, None] + k[:, slices])[:, :, None, None] + j[:, None, :, None] + i[:, None, None, :])

    def all_points(self) -> FloatArray:
        """(nk, nj, ni, 3) mm: the centre of every voxel in ``frame``."""
        i, j, k = (
            np.arange(n)[:, None] * step for n, step in zip(self.shape[::-1], (self.direction * self.spacing_mm).T, strict=True)
        )
        return np.asarray((self.origin_mm + k)[:, None, None] + j[:, None] + i)

    def axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """x (1, 1, ni), y (1, nj, 1), z (nk, 1, 1) of the voxels' centres, mm, of a grid that lies along its frame's axes.

        Raises:
            ValueError: the grid is turned.
        """
        if not self.upright:
            raise ValueError(f"the grid is turned against {self.frame}: {self.direction.tolist()}")
        x, y, z = (o + np.arange(n) * h for o, n, h in zip(self.origin_mm, self.shape[::-1], self.spacing_mm, strict=True))
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def contains(self, points_mm: ArrayLike) -> np.ndarray:
        """(...,) bool: whether each point lies within the grid's voxels (half a voxel beyond the outer centres)."""
        index = self.indices(points_mm)
        return np.asarray(((index >= -0.5) & (index <= np.array(self.shape) - 0.5)).all(axis=-1))

    def crop(self, slices: tuple[slice, slice, slice]) -> Grid:
        """The grid of ``array[slices]`` (non-negative, step 1)."""
        starts = [s.start or 0 for s in slices]
        stops = [n if s.stop is None else min(s.stop, n) for s, n in zip(slices, self.shape, strict=True)]
        shape = tuple(b - a for a, b in zip(starts, stops, strict=True))
        return attrs.evolve(self, shape=shape, origin_mm=self.points(starts))

    def resampled(self, spacing_mm: float) -> Grid:
        """An isotropic grid that covers the same box."""
        extent = np.array(self.shape[::-1]) * self.spacing_mm
        size = np.maximum(1, np.round(extent / spacing_mm)).astype(int)
        corner = self.points([-0.5, -0.5, -0.5])
        first = corner + self.direction @ np.full(3, spacing_mm / 2)
        return Grid(tuple(size[::-1]), [spacing_mm] * 3, first, self.direction, self.frame)

    @classmethod
    def centred(cls, frame: str, half_extent_mm: ArrayLike, spacing_mm: float) -> Grid:
        """An axis-aligned isotropic grid around the origin of ``frame`` (half extents along x, y, z)."""
        half = np.ceil(np.asarray(half_extent_mm, float) / spacing_mm).astype(int)
        return cls(tuple((2 * half + 1)[::-1]), [spacing_mm] * 3, -half * spacing_mm, np.eye(3), frame)
