"""Heights and bone: what a radiologist would measure on the body."""

from __future__ import annotations

import numpy as np

from planning_core.anatomy.body import Endplates
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.vertebra import BoneQuality, Heights
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.imaging.volume import CtVolume


def measure_heights(ends: Endplates, config: AnatomyConfig) -> Heights:
    """Endplate-to-endplate heights in the mid-sagittal slab (six-point morphometry).

    Corner points sit on the rims, so anterior and posterior height are the upper decile of the columns in the body's
    first and last parts. The middle height is the upper quartile of the columns in the middle third, so that a Schmorl's
    node or a cleft does not pass for a collapse of the whole endplate. Lips and osteophytes, columns far lower than the rim
    behind them, do not count as body.
    """
    slab = np.abs(ends.x - np.median(ends.x)) <= config.height_slab_mm / 2
    y, height = ends.y[slab], (ends.top - ends.bottom)[slab]
    front, back = _edge(y, height, config), -_edge(-y, height, config)
    depth = back - front
    first = height[(y >= front) & (y <= front + config.rim_share * depth)]
    last = height[(y <= back) & (y >= back - config.rim_share * depth)]
    middle = height[(y > front + depth / 3) & (y < back - depth / 3)]
    return Heights(*(float(np.percentile(part, rank)) for part, rank in ((first, 90), (middle, 75), (last, 90))))


def _edge(y: FloatArray, height: FloatArray, config: AnatomyConfig) -> float:
    """The least y at which columns are as high as the rim behind it, apart from lips."""
    order = np.argsort(y)
    y, height = y[order], height[order]
    rim = float(np.percentile(height[y <= y[0] + 0.4 * (y[-1] - y[0])], 90))
    return float(y[height >= config.lip_share * rim][0])


def bone_quality(
    body: DistanceField, to_ct: RigidTransform, ct: CtVolume, config: AnatomyConfig
) -> tuple[BoolArray, BoneQuality]:
    """Cortex voxels and HU statistics of the spongiosa.

    Cortex is what lies just under the surface and is clearly denser than this body's own spongiosa.
    """
    near = body.values < config.cortex_depth_mm
    points = body.grid.points(np.argwhere(near))
    hu = np.full(body.grid.shape, np.nan, np.float32)
    hu[near] = ct.at(to_ct.apply(points), outside_hu=np.nan)
    core = hu[(body.values < -config.spongiosa_inset_mm) & np.isfinite(hu)]
    if core.size < 50:
        core = hu[(body.values < 0) & np.isfinite(hu)]
    bone = core[core > config.gas_hu]
    gas_ml = float((core <= config.gas_hu).sum()) * body.grid.voxel_ml
    threshold = float(bone.mean() + bone.std())
    shell = (body.values < 0) & (body.values > -config.cortex_depth_mm) & (hu > threshold)
    cortex_hu = float(np.nanmean(hu[shell])) if shell.any() else float(bone.max())
    quality = BoneQuality(float(bone.mean()), float(bone.std()), float(np.percentile(bone, 5)), gas_ml, cortex_hu)
    return shell, quality
