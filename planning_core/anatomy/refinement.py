"""The third network: the second one's answer sharpened at 1 mm."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.instance import VertebraInstance, largest_part
from planning_core.anatomy.network import Network
from planning_core.anatomy.patches import REFINEMENT, normalised
from planning_core.geometry.arrays import Float32Array
from planning_core.imaging.resample import CoarseCt

RIM_MM = 2.0
RIM_HU = 120.0
"""Between muscle (50) and thin cortex (200 and more after partial volume); Dice is flat from 80 to 150."""


def refine(ct: CoarseCt, one: VertebraInstance, network: Network) -> VertebraInstance:
    """One vertebra at 1 mm.

    Args:
        ct: about 1 mm. one: the second network's answer; its box is looked at again.
    """
    grid = one.pose.patch(REFINEMENT.shape, REFINEMENT.spacing_mm, REFINEMENT.offset_mm)
    hu = ct.at(grid.all_points())
    patch = np.stack([normalised(hu), _doubled(one.this), _doubled(one.other)])
    _, this, other = network.probabilities(patch)
    return VertebraInstance(one.pose, grid, largest_part(without_soft_rim(largest_part(this), hu)), other)


def without_soft_rim(this: Float32Array, hu: Float32Array) -> Float32Array:
    """The probability without the rim of soft tissue that networks trained on thick slices leave around bone.

    A voxel near the surface stays only where the lightly smoothed CT is as dense as the half-way point between soft tissue
    and cortex; deep inside nothing is taken, so that dark spongiosa and gas clefts stay.

    Args:
        this, hu: (k, j, i) at 1 mm.
    """
    inside = this > 0.5
    deep = ndi.distance_transform_edt(inside) * REFINEMENT.spacing_mm > RIM_MM
    dense = ndi.gaussian_filter(hu, 0.6) > RIM_HU
    return np.where(inside & ~deep & ~dense, 0, this).astype(np.float32)


def _doubled(probability: Float32Array) -> Float32Array:
    """Twice as many voxels along each axis over the same box, linear between voxel centres."""
    n = np.array(probability.shape)
    index = [np.clip((np.arange(2 * m) - 0.5) / 2, 0, m - 1) for m in n]
    places = np.stack(np.meshgrid(*index, indexing="ij"))
    return np.asarray(ndi.map_coordinates(probability, places.reshape(3, -1), order=1).reshape(2 * n), dtype=np.float32)
