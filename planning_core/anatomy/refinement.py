"""The third network: the second one's answer sharpened at 1 mm."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.instance import VertebraInstance, largest_part
from planning_core.anatomy.network import Network
from planning_core.anatomy.patches import REFINEMENT, normalised
from planning_core.geometry.arrays import Float32Array
from planning_core.imaging.resample import CoarseCt

PERHAPS = 0.2
MARGIN, MULTIPLE = 6, 4
RIM_MM = 2.0
SOFT_HU, RIM_HU = 50.0, (70.0, 120.0)
"""Muscle, and the range of the threshold between it and bone; Dice is flat from 80 to 150."""
NOTCH_MM = 3.0


def refine(ct: CoarseCt, one: VertebraInstance, network: Network) -> VertebraInstance:
    """One vertebra at 1 mm, looked at where the second network saw any of it.

    Args:
        ct: about 1 mm. one: the second network's answer.
    """
    whole = one.pose.patch(REFINEMENT.shape, REFINEMENT.spacing_mm, REFINEMENT.offset_mm)
    box = _around(_doubled(one.this))
    grid = whole.crop(box)
    hu = ct.on(grid)
    patch = np.stack([normalised(hu), _doubled(one.this)[box], _doubled(one.other)[box]])
    _, this, other = network.probabilities(patch)
    return VertebraInstance(one.pose, grid, largest_part(without_soft_rim(largest_part(this), hu)), other)


def _around(this: Float32Array) -> tuple[slice, slice, slice]:
    """The box around a vertebra with a margin, its sides whole multiples of what the network halves."""
    box = ndi.find_objects((this > PERHAPS).astype(np.uint8))[0]
    sides = []
    for part, n in zip(box, this.shape, strict=True):
        start = max(0, (part.start - MARGIN) // MULTIPLE * MULTIPLE)
        sides.append(slice(start, min(n, -(-(part.stop + MARGIN) // MULTIPLE) * MULTIPLE)))
    i, j, k = sides
    return i, j, k


def without_soft_rim(this: Float32Array, hu: Float32Array) -> Float32Array:
    """The probability without the rim of soft tissue that networks trained on thick slices leave around bone.

    A voxel near the surface stays only where the lightly smoothed CT is at least half-way from muscle to this vertebra's own
    spongiosa, which in osteoporosis is not far. Deep inside nothing is taken, so that dark spongiosa and gas clefts stay, nor is
    a notch cut into an endplate where it is thin (closing by a ball).

    Args:
        this, hu: (k, j, i) at 1 mm.
    """
    inside = this > 0.5
    deep = ndi.distance_transform_edt(inside) * REFINEMENT.spacing_mm > RIM_MM
    if not deep.any():
        return this
    threshold = np.clip((SOFT_HU + float(np.median(hu[deep]))) / 2, *RIM_HU)
    kept = inside & (deep | (ndi.gaussian_filter(hu, 0.6) > threshold))
    reach = NOTCH_MM / REFINEMENT.spacing_mm
    grown = ndi.distance_transform_edt(~kept) <= reach
    kept |= inside & (ndi.distance_transform_edt(grown) > reach)
    return np.where(inside & ~kept, 0, this).astype(np.float32)


def _doubled(probability: Float32Array) -> Float32Array:
    """Twice as many voxels along each axis over the same box, linear between voxel centres."""
    for axis in range(3):
        padded = np.pad(probability, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        below, here, above = (np.take(padded, range(s, s + probability.shape[axis]), axis=axis) for s in (0, 1, 2))
        pairs = np.stack([0.25 * below + 0.75 * here, 0.75 * here + 0.25 * above], axis=axis + 1)
        probability = pairs.reshape([n * 2 if a == axis else n for a, n in enumerate(probability.shape)])
    return probability
