"""The third network: the second one's answer sharpened at 1 mm."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.instance import VertebraInstance, largest_part
from planning_core.anatomy.network import Network
from planning_core.anatomy.patches import REFINEMENT, normalised
from planning_core.geometry.arrays import Float32Array
from planning_core.imaging.resample import CoarseCt


def refine(ct: CoarseCt, one: VertebraInstance, network: Network) -> VertebraInstance:
    """One vertebra at 1 mm.

    Args:
        ct: about 1 mm. one: the second network's answer; its box is looked at again.
    """
    grid = one.pose.patch(REFINEMENT.shape, REFINEMENT.spacing_mm, REFINEMENT.offset_mm)
    patch = np.stack([normalised(ct.at(grid.all_points())), _doubled(one.this), _doubled(one.other)])
    _, this, other = network.probabilities(patch)
    return VertebraInstance(one.pose, grid, largest_part(this), other)


def _doubled(probability: Float32Array) -> Float32Array:
    """Twice as many voxels along each axis over the same box, linear between voxel centres."""
    n = np.array(probability.shape)
    index = [np.clip((np.arange(2 * m) - 0.5) / 2, 0, m - 1) for m in n]
    places = np.stack(np.meshgrid(*index, indexing="ij"))
    return np.asarray(ndi.map_coordinates(probability, places.reshape(3, -1), order=1).reshape(2 * n), dtype=np.float32)
