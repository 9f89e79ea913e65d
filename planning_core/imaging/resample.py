"""Coarser views of a CT, without aliasing and without a copy of the whole volume in float."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import ArrayLike, NDArray

from planning_core.geometry.arrays import Float32Array
from planning_core.geometry.grid import Grid
from planning_core.imaging.volume import AIR_HU, CtVolume


@attrs.frozen(eq=False)
class CoarseCt:
    """Block means of a CT: HU float32 (nk, nj, ni) on a grid whose voxels are whole multiples of the CT's."""

    hu: Float32Array
    grid: Grid

    def at(self, points_lps_mm: ArrayLike) -> Float32Array:
        """HU at points (..., 3) ct_lps mm, trilinear; air beyond the volume."""
        index = self.grid.indices(points_lps_mm)
        flat = ndi.map_coordinates(self.hu, index.reshape(-1, 3).T, output=np.float32, order=1, mode="constant", cval=AIR_HU)
        return np.asarray(flat.reshape(index.shape[:-1]), dtype=np.float32)

    def on(self, grid: Grid) -> Float32Array:
        """HU at every voxel of ``grid`` (frame ct_lps), slab by slab so that the points never exist all at once."""
        out = np.empty(grid.shape, np.float32)
        for k in range(grid.shape[0]):
            index = self.grid.indices_on(grid.crop((slice(k, k + 1), slice(0, None), slice(0, None))))
            ndi.map_coordinates(self.hu, index, output=out[k : k + 1], order=1, mode="constant", cval=AIR_HU)
        return out


def coarsen(ct: CtVolume, spacing_mm: float) -> CoarseCt:
    """Average whole blocks of voxels until each axis is as near to ``spacing_mm`` as it gets from below."""
    factors = np.maximum(1, np.floor(spacing_mm / ct.grid.spacing_mm[::-1] + 1e-6)).astype(int)
    factors = np.minimum(factors, ct.hu.shape)
    counts = np.array(ct.hu.shape) // factors
    hu: NDArray[Any] = ct.hu[tuple(slice(0, int(n * f)) for n, f in zip(counts, factors, strict=True))]
    for axis, factor in enumerate(factors):  # whole slices first: they lie together in memory
        parts = [hu[(slice(None),) * axis + (slice(first, None, factor),)] for first in range(factor)]
        hu = parts[0].astype(np.float32)
        for part in parts[1:]:
            hu += part
    hu /= np.float32(factors.prod())  # the sums above are whole numbers, and exact
    grid = Grid(
        counts,
        ct.grid.spacing_mm * factors[::-1],
        ct.grid.points((factors - 1) / 2),
        ct.grid.direction,
        ct.grid.frame,
    )
    return CoarseCt(hu, grid)


class Scales:
    """A CT averaged to several voxel sizes, each made once: a registration asks for the same few many times."""

    def __init__(self, ct: CtVolume) -> None:
        self._ct = ct
        self._made: dict[float, CoarseCt] = {}

    def at(self, spacing_mm: float) -> CoarseCt:
        """See ``coarsen``."""
        if spacing_mm not in self._made:
            self._made[spacing_mm] = coarsen(self._ct, spacing_mm)
        return self._made[spacing_mm]


def upright_grid(grid: Grid, spacing_mm: float) -> Grid:
    """An isotropic grid along the axes of LPS that covers ``grid``, however oblique or flipped it is."""
    n = np.array(grid.shape)
    corners = grid.points(np.array(np.meshgrid(*[(-0.5, m - 0.5) for m in n], indexing="ij")).reshape(3, -1).T)
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.maximum(1, np.round((high - low) / spacing_mm)).astype(int)
    return Grid(size[::-1], [spacing_mm] * 3, low + spacing_mm / 2, np.eye(3), grid.frame)
