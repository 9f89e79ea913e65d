"""Bodies, arches, discs and sacrum around the canal, told apart by the first network on a coarse upright grid."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.anatomy.canal_path import CanalPath
from planning_core.anatomy.network import Network
from planning_core.anatomy.patches import SPINE_MAP, coordinates, normalised
from planning_core.geometry import Grid
from planning_core.geometry.arrays import Float32Array
from planning_core.imaging.resample import coarsen
from planning_core.imaging.volume import CtVolume

BEYOND_CANAL_MM = 30.0


@attrs.frozen(eq=False)
class SpineMap:
    """Class probabilities (classes, nk, nj, ni) float32 of ``SPINE_MAP`` on an upright grid; background where not looked."""

    probability: Float32Array
    grid: Grid

    def of(self, name: str) -> Float32Array:
        """One class's probability (nk, nj, ni)."""
        return np.asarray(self.probability[SPINE_MAP.classes.index(name)])


def map_spine(ct: CtVolume, canal: CanalPath, network: Network | None = None) -> SpineMap:
    """Slide the first network along the canal, windows overlapping by half, and blend.

    Args:
        ct: the volume. canal: its canal. network: other weights than those shipped.
    """
    network = network or Network(SPINE_MAP)
    coarse = coarsen(ct, SPINE_MAP.spacing_mm)
    grid = _tube(ct, canal)
    total = np.zeros((len(SPINE_MAP.classes), *grid.shape), np.float32)
    weight = np.zeros(grid.shape, np.float32)
    taper = _taper()
    place = coordinates(SPINE_MAP)
    for first in _tiles(grid, canal):
        window = tuple(slice(f, f + n) for f, n in zip(first, SPINE_MAP.shape, strict=True))
        patch = np.concatenate([normalised(coarse.on(grid.crop(window)))[None], place])  # type: ignore[arg-type]
        total[(slice(None), *window)] += network.probabilities(patch) * taper
        weight[window] += taper
    seen = weight > 0
    total[:, seen] /= weight[seen]
    total[0][~seen] = 1
    return SpineMap(total, grid)


def _tube(ct: CtVolume, canal: CanalPath) -> Grid:
    """The upright grid that holds every window along the canal."""
    spacing = SPINE_MAP.spacing_mm
    half = np.array(SPINE_MAP.shape[::-1]) * spacing / 2
    line = canal.points_lps_mm
    low = line.min(axis=0) + SPINE_MAP.offset_mm - half
    high = line.max(axis=0) + SPINE_MAP.offset_mm + half
    low[2] = min(low[2], line[0, 2] - BEYOND_CANAL_MM)
    size = np.ceil((high - low) / spacing).astype(int) + 1
    return Grid(size[::-1], [spacing] * 3, low + spacing / 2)


def _tiles(grid: Grid, canal: CanalPath) -> list[tuple[int, int, int]]:
    """First voxel (k, j, i) of each window."""
    depth = SPINE_MAP.shape[0]
    starts = list(range(0, max(1, grid.shape[0] - depth), depth // 2)) + [grid.shape[0] - depth]
    tiles = []
    for k in sorted(set(starts)):
        middle = grid.points([k + (depth - 1) / 2, 0, 0])[2]
        centre = canal.at_height(np.array([middle]))[0] + SPINE_MAP.offset_mm
        first = np.round(grid.indices(centre) - (np.array(SPINE_MAP.shape) - 1) / 2).astype(int)
        first = np.clip(first, 0, np.array(grid.shape) - SPINE_MAP.shape)
        tiles.append((k, int(first[1]), int(first[2])))
    return tiles


def _taper() -> Float32Array:
    """Weight of a window's voxels: falls linearly to the ends along the spine, and is one across it."""
    along = 1 - np.abs(np.linspace(-1, 1, SPINE_MAP.shape[0], dtype=np.float32)) * 0.95
    return np.broadcast_to(along[:, None, None], SPINE_MAP.shape).astype(np.float32)
