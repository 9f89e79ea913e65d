"""What steel does to a scan: it fills part of its border voxels, is blurred, and blooms."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray, frozen_vector

PART_MM = 0.2
"""Voxels are divided until their parts are no wider."""


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

    @property
    def reach_mm(self) -> float:
        """How far it matters."""
        return 3.5 * max(*self.core_mm, self.bloom_mm)


def add_metal(hu: NDArray[np.int16], grid: Grid, piece: Ball | Rod, metal_hu: float, spread: PointSpread) -> None:
    """Lay a piece of metal over a volume in place.

    The piece is rasterised in parts of a voxel by its signed distance, blurred there, and averaged over whole voxels: nothing of
    the closed form that the bead finder fits is used.

    Args:
        hu: (nk, nj, ni) HU, written to. grid: axis-aligned.
    """
    low, high = piece.bounds()
    first = np.floor(grid.indices(low - spread.reach_mm)).astype(int)
    last = np.ceil(grid.indices(high + spread.reach_mm)).astype(int) + 1
    first, last = np.maximum(first, 0), np.minimum(last, grid.shape)
    if (first >= last).any():
        return
    box = (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))
    parts = np.ceil(grid.spacing_mm / PART_MM).astype(int)
    step = grid.spacing_mm / parts
    near = grid.crop(box)
    fine = Grid(np.array(near.shape) * parts[::-1], step, near.points([-0.5, -0.5, -0.5]) + step / 2)
    share = np.clip(0.5 - piece.distance(fine.all_points()) / float(step.mean()), 0, 1).astype(np.float32)
    core = ndi.gaussian_filter(share, np.array(spread.core_mm)[::-1] / step[::-1])
    bloom = ndi.gaussian_filter(share, spread.bloom_mm / step[::-1])
    seen = (1 - spread.bloom_share) * core + spread.bloom_share * bloom
    nk, nj, ni = near.shape
    seen = seen.reshape(nk, parts[2], nj, parts[1], ni, parts[0]).mean(axis=(1, 3, 5))
    hu[box] = hu[box] + seen * (metal_hu - hu[box])
