"""Columns that still stand give nothing to the deficit: the ideal body's endplates rest on the collapsed one's there."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from scipy.special import ndtr

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import BoolArray, FloatArray

NOISE_VOXELS = 0.2
"""One sigma of a gap between two endplates that are one: a boundary's quantisation, 1/√12 of a voxel, less some smoothing."""
DEEPEST_MM = 10.0
"""A lost endplate may lie anywhere this far below the ideal one, and as many columns are lost as stand."""
SMOOTH_MM = 1.5


def settled(ideal: DistanceField, target: Vertebra) -> DistanceField:
    """The ideal body with its endplates drawn to the target's by the probability that they are the same there.

    Where two surfaces coincide but for noise, their difference's positive half would count as missing bone.
    """
    body = target.body.on(ideal.grid)
    sigma = NOISE_VOXELS * float(np.cbrt(np.prod(target.voxel_mm)))
    (top, bottom, there), (own_top, own_bottom, stands) = _ends(ideal), _ends(body)
    both = there & stands
    if not both.any():
        return ideal
    nearest = tuple(ndi.distance_transform_edt(~both, return_distances=False, return_indices=True))
    smooth = SMOOTH_MM / float(ideal.grid.spacing_mm[0])
    down, up = (ndi.gaussian_filter(_standing(gap[nearest], sigma), smooth) for gap in (top - own_top, own_bottom - bottom))
    top, bottom = top[nearest], bottom[nearest]
    high, low = top - down, bottom + up
    places = ideal.grid.all_points()
    z = places[..., 2]
    inside = bottom + (z - low) / np.maximum(high - low, 1.0) * (top - bottom)
    places[..., 2] = np.where(z > high, z + down, np.where(z < low, z - up, inside))
    return DistanceField(ideal.at(places), ideal.grid)


def _standing(gap: FloatArray, sigma: float) -> FloatArray:
    """What of a gap is expected to be noise, mm: the gap by the probability that the endplate stands."""
    at = np.maximum(gap, 0) / sigma
    stands, lost = np.exp(-0.5 * at**2) / (sigma * np.sqrt(2 * np.pi)), ndtr(at) / DEEPEST_MM
    return np.asarray(np.maximum(gap, 0) * stands / (stands + lost))


def _ends(field: DistanceField) -> tuple[FloatArray, FloatArray, BoolArray]:
    """(nj, ni) z of the highest and the lowest bone of each column, mm, and where there is any."""
    inside = field.values < 0
    there = inside.any(axis=0)
    last, first = len(inside) - 1 - inside[::-1].argmax(axis=0), inside.argmax(axis=0)
    j, i = np.indices(there.shape)
    h, start = float(field.grid.spacing_mm[2]), float(field.grid.points(np.zeros((1, 3)))[0, 2])

    def crossing(inner: np.ndarray, step: int) -> FloatArray:
        outer = np.clip(inner + step, 0, len(inside) - 1)
        a, b = field.values[inner, j, i], field.values[outer, j, i]
        share = np.where(b > a, -a / np.maximum(b - a, 1e-6), 0.5)
        return np.asarray(start + h * (inner + step * np.clip(share, 0, 1)), dtype=np.float64)

    return crossing(last, 1), crossing(first, -1), np.asarray(there)
