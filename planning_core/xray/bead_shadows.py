"""Shadows of steel balls in an X-ray image: round, of a known size, located to a fraction of a pixel."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import ArrayLike
from skimage.filters import threshold_otsu

from planning_core.geometry.arrays import BoolArray, FloatArray, frozen, frozen_float64
from planning_core.xray.image import XrayImage

HALF_WIDTH = 0.866
"""Diameter at which a ball's shadow is half as deep as in its middle, over the ball's."""
MOST_ASPECT = 1.35
NOISE_SIGMAS = 6.0
SIZE_RATIO = 1.3


def _mask(values: ArrayLike) -> BoolArray:
    return frozen(values, np.bool_)


@attrs.frozen(eq=False)
class Shadows:
    """Balls' shadows. ``pixels``: (n, 2) row, column of their middles; ``large``: (n,) bool."""

    pixels: FloatArray = attrs.field(converter=frozen_float64)
    large: BoolArray = attrs.field(converter=_mask)


def find_shadows(image: XrayImage, small_px: float, large_px: float) -> Shadows:
    """Round dark-to-X-ray spots of two sizes, those that overlap left out.

    Args:
        small_px, large_px: diameters to be expected, to 30 %.
    """
    reach = int(np.ceil(1.8 * large_px)) | 1
    filled = np.where(image.valid, image.pixels, np.median(image.pixels[image.valid])).astype(np.float32)
    spots = filled - ndi.grey_opening(filled, size=(reach, reach))
    noise = 1.4826 * float(np.median(np.abs(spots - np.median(spots)))) + 1e-9
    strong = spots > np.median(spots) + NOISE_SIGMAS * noise
    if strong.sum() < 4:
        return Shadows(np.zeros((0, 2)), np.zeros(0, bool))
    bright = strong & (spots > 0.5 * threshold_otsu(spots[strong]))
    pieces, _ = ndi.label(bright)
    pixels: list[FloatArray] = []
    large: list[bool] = []
    for number, box in enumerate(ndi.find_objects(pieces), start=1):
        window = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in box)
        own = (pieces[window] == number) | (pieces[window] == 0)
        found = _ball(np.where(own, spots[window], 0))
        if found is None:
            continue
        middle, diameter = found
        size = np.array([diameter / small_px, diameter / large_px])
        fits = np.abs(np.log(size)) < np.log(SIZE_RATIO)
        if fits.any():
            pixels.append(middle + [s.start for s in window])
            large.append(bool(np.abs(np.log(size)).argmin() == 1))
    return Shadows(np.array(pixels).reshape(-1, 2), np.array(large, bool))


def _ball(spot: np.ndarray) -> tuple[FloatArray, float] | None:
    """Middle (2,) and a ball's diameter in pixels of a round spot; ``None`` for what is not round."""
    peak = float(np.percentile(spot, 100 * (1 - 3 / spot.size))) if spot.size > 9 else 0.0
    core = spot > peak / 2
    if peak <= 0 or core.sum() < 5:
        return None
    index = np.argwhere(core).astype(float)
    spread = np.linalg.eigvalsh(np.cov(index.T) + np.eye(2) / 12)
    diameter = 2 * np.sqrt(core.sum() / np.pi) / HALF_WIDTH
    if np.sqrt(spread[1] / spread[0]) > MOST_ASPECT:
        return None
    near = ndi.binary_dilation(core, iterations=2)
    weight = np.where(near, np.maximum(spot, 0), 0)
    return np.array(ndi.center_of_mass(weight)), float(diameter)
