"""How disc-like each place along the bodies' line is, from Hounsfield units alone.

The spine map sees lumbar discs well; thoracic ones are thinner than its voxels. Two things mark them all the same: a
bright band or pair of endplates between two darker bodies, and pedicles, which sit in a vertebra's upper half and so
begin just below a disc.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.canal_path import CanalPath
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.resample import CoarseCt

TILTS_DEG = np.arange(-20, 21, 5)
HALF_GAPS_MM = (0, 2, 3, 4, 5, 6)
RADIUS_MM = 10.0
PEDICLE_LATERAL_MM = np.arange(8.0, 17.1, 3.0)
PEDICLE_FORWARD_MM = np.arange(-1.0, 9.1, 2.5)
TILT_COST = 0.8  # per radian
BAND_MM, SPREAD_MM = 16, 25


def disc_signal(ct: CoarseCt, points: FloatArray, tangents: FloatArray, canal: CanalPath) -> FloatArray:
    """Score (n,) along the line, about 2–4 at discs and below 1 within bodies.

    Args:
        ct: about 1.5 mm or finer. points, tangents: (n, 3) the bodies' line, one per mm, towards the feet.
    """
    return endplate_signal(ct, points, tangents) + 0.9 * np.clip(pedicle_phase(ct, points, tangents, canal), -2.5, 2.5)


def endplate_signal(ct: CoarseCt, points: FloatArray, tangents: FloatArray) -> FloatArray:
    """Bright endplates around a place, against the middles of the bodies on either side, at the best tilt."""
    left, back = _across(tangents)
    side = np.arange(-RADIUS_MM, RADIUS_MM + 0.1, 2.5)
    u, v = (a.ravel() for a in np.meshgrid(side, side))
    disc = u**2 + v**2 <= RADIUS_MM**2
    u, v = u[disc], v[disc]
    best = np.full(len(points), -np.inf)
    for tilt in TILTS_DEG:
        along = np.tan(np.radians(tilt)) * v
        where = points[:, None] + u[None, :, None] * left[:, None] + v[None, :, None] * back[:, None]
        hu = np.clip(ct.at(where + along[None, :, None] * tangents[:, None]), -50, 500)
        profile = _standardised(hu.mean(axis=1).astype(np.float64))
        bright = ndi.maximum_filter1d(profile, 3)
        for gap in HALF_GAPS_MM:
            if gap == 0:
                ends, dip = ndi.gaussian_filter1d(profile, 1.5), 0.0
            else:
                above, below = _shifted(bright, -gap), _shifted(bright, gap)
                ends = 0.25 * (above + below) + 0.5 * np.minimum(above, below)
                dip = np.maximum(0, ends - ndi.uniform_filter1d(profile, gap))
            middle = ndi.uniform_filter1d(profile, 7)
            middles = 0.5 * (_shifted(middle, -(gap + 8)) + _shifted(middle, gap + 8))
            score = 0.7 * (ends - middles) + 0.5 * dip - TILT_COST * np.radians(abs(tilt)) - (0.15 if gap == 0 else 0)
            best = np.maximum(best, score)
    return best


def pedicle_phase(ct: CoarseCt, points: FloatArray, tangents: FloatArray, canal: CanalPath) -> FloatArray:
    """Bone beside the canal just below a place minus just above it, in standard deviations along the line."""
    left, back = _across(tangents)
    # the canal's point in each cross-section: in a kyphosis it lies well above or below the body's own height
    course = canal.at_height(np.arange(points[:, 2].min() - 40, points[:, 2].max() + 40, 0.5))
    along = ((course[None] - points[:, None]) * tangents[:, None]).sum(axis=-1)
    middle = course[np.abs(along).argmin(axis=1)]
    sides = []
    for sign in (1.0, -1.0):
        lateral, forward = (a.ravel() for a in np.meshgrid(sign * PEDICLE_LATERAL_MM, PEDICLE_FORWARD_MM))
        where = middle[:, None] + lateral[None, :, None] * left[:, None] - forward[None, :, None] * back[:, None]
        sides.append(np.clip(ct.at(where), 0, 400).mean(axis=1).astype(np.float64))
    beside = _standardised(ndi.gaussian_filter1d(0.6 * np.minimum(*sides) + 0.2 * (sides[0] + sides[1]), 1.0))
    window = ndi.uniform_filter1d(beside, 6)
    return _shifted(window, 5) - _shifted(window, -5)


def _standardised(profile: FloatArray) -> FloatArray:
    """A profile against its own surroundings: locally zero mean, unit spread."""
    around = profile - ndi.gaussian_filter1d(profile, BAND_MM)
    return np.asarray(around / (np.sqrt(ndi.gaussian_filter1d(around**2, SPREAD_MM)) + 8))


def _shifted(values: FloatArray, by: int) -> FloatArray:
    """values[s + by], the ends repeated."""
    index = np.clip(np.arange(len(values)) + by, 0, len(values) - 1)
    return np.asarray(values[index])


def _across(tangents: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Left and back perpendicular to each tangent (towards the feet)."""
    left = np.cross(tangents, [0.0, 1.0, 0.0])
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    return left, np.cross(tangents, left) * -1.0
