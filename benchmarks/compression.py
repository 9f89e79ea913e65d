"""Healthy vertebrae compressed by a known map: fractures whose defect is known to the millilitre.

The compressed bone is voxelised on its label file's own grid, so that the planner meets it as it would meet any mask.
"""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.collapse import BodyBox, lost_shares
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.fracture import assess
from planning_core.anatomy.label_file import boundary_of
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_vertebra
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.geometry import Grid
from planning_core.geometry.arrays import BoolArray, FloatArray

ENDPLATE_SMOOTH_MM = 2.0
FINEST_MM = 0.7
TRUTH_MM = 0.8


@attrs.frozen(eq=False)
class Compressed:
    """A spine with one level compressed, and what that took from its body, ml (from the map, before voxels)."""

    spine: Spine
    level: VertebraLevel
    truth_ml: float


@attrs.frozen(eq=False)
class Compression:
    """Endplates of a body before and after, column by column, in the vertebra's frame.

    Args:
        grid: whose columns. top, bottom, new_top, new_bottom: (nj, ni) z, mm.
    """

    grid: Grid
    top: FloatArray
    bottom: FloatArray
    new_top: FloatArray
    new_bottom: FloatArray

    def source(self, points: FloatArray) -> FloatArray:
        """Where points (..., 3) of the compressed bone were before, mm."""
        ji = np.moveaxis(self.grid.indices(points)[..., 1:], -1, 0)
        top, bottom, high, low = (
            ndi.map_coordinates(plane, ji, order=1, mode="nearest")
            for plane in (self.top, self.bottom, self.new_top, self.new_bottom)
        )
        z = points[..., 2]
        share = (z - low) / np.maximum(high - low, 1.0)
        out = points.copy()
        out[..., 2] = np.where(share > 1, z - high + top, np.where(share < 0, z - low + bottom, bottom + share * (top - bottom)))
        return out


def as_drawn_again(spine: Spine, native: Grid) -> Spine:
    """Every vertebra voxelised and modelled once more, uncompressed.

    A compressed one has been through the voxels twice and is a little smoother for it; so its neighbours must be.
    """
    vertebrae = {}
    for level, vertebra in spine.vertebrae.items():
        mask, grid = _voxelised(vertebra, None, native, 0.0)
        vertebrae[level] = _modelled(vertebra, mask, grid, native)
    return Spine(vertebrae, assess(vertebrae, AnatomyConfig()))


def compress(
    spine: Spine, level: VertebraLevel, kind: str, loss: float, native: Grid, grow_voxels: float = 0.0, among: Spine | None = None
) -> Compressed:
    """Compress one body and model it anew.

    Args:
        among: the spine that the compressed vertebra is put into; by default the one that it is taken from.
        kind: ``wedge`` (front falls), ``biconcave`` (middle falls, both endplates) or ``crush`` (all falls, front most).
        loss: largest share of height lost. native: the label file's grid.
        grow_voxels: moves the mask's boundary out (negative: in) by so much of a voxel along the surface's normal.
    """
    vertebra = spine.vertebrae[level]
    how = compression(vertebra, kind, loss)
    fresh = _modelled(vertebra, *_voxelised(vertebra, how, native, grow_voxels), native)
    vertebrae = {**(among or spine).vertebrae, level: fresh}
    return Compressed(Spine(vertebrae, assess(vertebrae, AnatomyConfig())), level, _truth_ml(vertebra, how))


def _modelled(vertebra: Vertebra, mask: BoolArray, grid: Grid, native: Grid) -> Vertebra:
    superior = vertebra.ct_lps_from_vertebra.rotation[:, 2]
    return model_vertebra(vertebra.level, boundary_of(mask, grid), superior, native, None, AnatomyConfig())


def compression(vertebra: Vertebra, kind: str, loss: float) -> Compression:
    """The map of one compression."""
    inside, grid = vertebra.body.inside(), vertebra.body.grid
    columns = inside.any(axis=0)
    z = grid.points(np.column_stack([np.arange(len(inside)), *np.zeros((2, len(inside)))]))[:, 2]
    nearest = tuple(ndi.distance_transform_edt(~columns, return_distances=False, return_indices=True))
    sigma = ENDPLATE_SMOOTH_MM / float(grid.spacing_mm[0])
    top = ndi.gaussian_filter(z[len(inside) - 1 - inside[::-1].argmax(axis=0)][nearest], sigma)
    bottom = ndi.gaussian_filter(z[inside.argmax(axis=0)][nearest], sigma)
    plane = grid.points(np.stack(np.broadcast_arrays(0, *np.indices(columns.shape)), axis=-1))
    x, y = plane[..., 0], plane[..., 1]
    box = BodyBox(float(np.median(x[columns])), float(vertebra.wall[0]), float(np.percentile(y[columns], 1)))
    upper, lower = lost_shares(kind, x, y, box)
    height = np.maximum(top - bottom, 1.0)
    return Compression(grid, top, bottom, top - loss * upper * height, bottom + loss * lower * height)


def _truth_ml(vertebra: Vertebra, how: Compression) -> float:
    """What the intact body has and the compressed one has not, by partial voxels of a fine grid."""
    box = ndi.find_objects((vertebra.body.values < 3).astype(np.uint8))[0]
    grid = vertebra.body.grid.crop(box).resampled(TRUTH_MM)
    points = grid.all_points()
    intact, broken = (np.clip(0.5 - vertebra.body.at(p) / TRUTH_MM, 0, 1) for p in (points, how.source(points)))
    return float(np.maximum(intact - broken, 0).sum()) * grid.voxel_ml


def _voxelised(vertebra: Vertebra, how: Compression | None, native: Grid, grow_voxels: float) -> tuple[BoolArray, Grid]:
    """The vertebra, compressed or not, on the part of the native grid that it fills, thinned where that is very fine."""
    thin = np.maximum(1, FINEST_MM // native.spacing_mm[::-1]).astype(int)
    native = attrs.evolve(
        native,
        shape=np.array(native.shape) // thin,
        spacing_mm=native.spacing_mm * thin[::-1],
        origin_mm=native.points((thin - 1) / 2),
    )
    whole, pose = vertebra.whole, vertebra.ct_lps_from_vertebra
    box = ndi.find_objects((whole.values < 2).astype(np.uint8))[0]
    corners = np.array(np.meshgrid(*[(s.start, s.stop - 1) for s in box], indexing="ij")).reshape(3, -1).T
    index = native.indices(pose.apply(whole.grid.points(corners)))
    low = np.maximum(np.floor(index.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(index.max(axis=0)) + 1, native.shape).astype(int)
    grid = native.crop(tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)))  # type: ignore[arg-type]
    here = pose.inverse().apply(grid.all_points())
    before = here if how is None else how.source(here)
    distance = whole.at(before)
    if grow_voxels:
        normal = pose.rotate(whole.gradient_at(before, 1.0))
        voxel = np.linalg.norm((normal @ grid.direction) * grid.spacing_mm, axis=-1)  # mm per voxel along the normal
        distance = distance - grow_voxels * voxel
    return distance < 0, grid
