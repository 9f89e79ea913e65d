"""What steel does to a scan: it fills part of its border voxels, is blurred, and blooms."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from planning_core.geometry import Grid
from planning_core.geometry.arrays import Float32Array, FloatArray, frozen_vector

PART_MM = 0.2
"""Voxels are divided until their parts are no wider."""
REACH = 3.5
"""Sigmas of a blur that matter."""


@attrs.frozen(eq=False)
class Ball:
    """A steel ball, mm in the scan's ct_lps."""

    centre_mm: FloatArray = attrs.field(converter=frozen_vector)
    radius_mm: float

    def distance(self, points: FloatArray) -> FloatArray:
        """Signed distance (...,) mm at points (..., 3)."""
        return np.asarray(np.linalg.norm(points - self.centre_mm, axis=-1) - self.radius_mm)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest corner, mm."""
        return self.centre_mm - self.radius_mm, self.centre_mm + self.radius_mm


@attrs.frozen(eq=False)
class Rod:
    """A steel rod with round ends (screw, needle, clamp), mm in whatever frame it is given for."""

    start_mm: FloatArray = attrs.field(converter=frozen_vector)
    end_mm: FloatArray = attrs.field(converter=frozen_vector)
    radius_mm: float

    def distance(self, points: FloatArray) -> FloatArray:
        """Signed distance (...,) mm at points (..., 3)."""
        way = self.end_mm - self.start_mm
        share = np.clip((points - self.start_mm) @ way / max(float(way @ way), 1e-12), 0, 1)
        return np.asarray(np.linalg.norm(points - self.start_mm - share[..., None] * way, axis=-1) - self.radius_mm)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest corner, mm."""
        low, high = np.minimum(self.start_mm, self.end_mm), np.maximum(self.start_mm, self.end_mm)
        return low - self.radius_mm, high + self.radius_mm


@attrs.frozen
class PointSpread:
    """The scanner's blur: a core, one sigma per axis x, y, z, and a wide share that makes metal bloom."""

    core_mm: tuple[float, float, float]
    bloom_mm: float
    bloom_share: float


def add_metal(hu: NDArray[np.int16], grid: Grid, piece: Ball | Rod, metal_hu: float, spread: PointSpread) -> None:
    """Lay a piece of metal over a volume in place.

    The piece is rasterised in parts of a voxel by its signed distance, blurred there by the core, and averaged over whole voxels,
    in which it blooms: nothing of the closed form that the bead finder fits is used.

    Args:
        hu: (nk, nj, ni) HU, written to. grid: axis-aligned.
    """
    low, high = piece.bounds()
    near, wide = (_box(grid, low - reach, high + reach) for reach in (REACH * max(spread.core_mm), REACH * spread.bloom_mm))
    if not near or not wide:
        return
    share, core = _sharp(grid.crop(near), piece, spread.core_mm)
    bloom = np.zeros([s.stop - s.start for s in wide], np.float32)
    seen = bloom.copy()
    inner = tuple(slice(n.start - w.start, n.stop - w.start) for n, w in zip(near, wide, strict=True))
    bloom[inner], seen[inner] = share, (1 - spread.bloom_share) * core
    seen += spread.bloom_share * ndi.gaussian_filter(bloom, spread.bloom_mm / grid.spacing_mm[::-1], mode="constant")
    hu[wide] = hu[wide] + seen * (metal_hu - hu[wide])


def _box(grid: Grid, low: FloatArray, high: FloatArray) -> tuple[slice, slice, slice] | None:
    """Voxels k, j, i between two corners; ``None`` where none lie in the grid."""
    first = np.maximum(np.floor(grid.indices(low)).astype(int), 0)
    last = np.minimum(np.ceil(grid.indices(high)).astype(int) + 1, grid.shape)
    if (first >= last).any():
        return None
    k, j, i = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return k, j, i


def _sharp(grid: Grid, piece: Ball | Rod, core_mm: tuple[float, float, float]) -> tuple[Float32Array, Float32Array]:
    """How much of each voxel the piece fills, and that blurred by the core; both (nk, nj, ni)."""
    parts = np.ceil(grid.spacing_mm / PART_MM).astype(int)
    step = grid.spacing_mm / parts
    fine = Grid(np.array(grid.shape) * parts[::-1], step, grid.points([-0.5, -0.5, -0.5]) + step / 2)
    share = np.clip(0.5 - piece.distance(fine.all_points()) / float(step.mean()), 0, 1).astype(np.float32)
    nk, nj, ni = grid.shape
    blurred = ndi.gaussian_filter(share, np.array(core_mm)[::-1] / step[::-1])
    whole = [a.reshape(nk, parts[2], nj, parts[1], ni, parts[0]).mean(axis=(1, 3, 5)) for a in (share, blurred)]
    return whole[0], whole[1]
