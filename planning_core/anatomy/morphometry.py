"""Heights and bone: what a radiologist would measure on the body."""

from __future__ import annotations

import numpy as np

from planning_core.anatomy.body import Endplates
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.vertebra import BoneQuality, Heights
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import BoolArray
from planning_core.imaging.volume import CtVolume


def measure_heights(ends: Endplates, config: AnatomyConfig) -> Heights:
    """Endplate-to-endplate heights at three places along the mid-sagittal slab (six-point morphometry).

    Each is the median over the columns within 1.5 mm of its place.
    """
    slab = np.abs(ends.x - np.median(ends.x)) <= config.height_slab_mm / 2
    y, height = ends.y[slab], (ends.top - ends.bottom)[slab]
    front, back = np.percentile(y, 0.5), np.percentile(y, 99.5)
    values = []
    for place in config.height_places:
        at = front + place * (back - front)
        values.append(float(np.median(height[np.abs(y - at) <= 1.5])))
    return Heights(*values)


def bone_quality(
    body: DistanceField, to_ct: RigidTransform, ct: CtVolume, config: AnatomyConfig
) -> tuple[BoolArray, BoneQuality]:
    """Cortex voxels and HU statistics of the spongiosa.

    Cortex is what lies just under the surface and is clearly denser than this body's own spongiosa.
    """
    near = body.values < config.cortex_depth_mm
    points = body.grid.all_points()[near]
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
