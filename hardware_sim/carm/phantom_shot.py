"""The bead phantom as a C-arm shows it: exact chords through its balls, on a detector that bends straight lines."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from planning_core.geometry.arrays import Float32Array
from planning_core.xray.calibration import Distortion
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage
from planning_core.xray.phantom import BeadPhantom

STEEL_PER_MM = 0.9
"""Attenuation of steel at about 60 keV (1.2 cm²/g, 7.9 g/cm³)."""
TUBE_MM, TUBE_PER_MM = (43.0, 47.0), 0.02
"""Inner and outer radius of the acrylic tube that holds the balls, as water."""


def phantom_shot(
    phantom: BeadPhantom,
    view: PinholeView,
    distortion: Distortion | None = None,
    *,
    quanta: float = 20_000.0,
    blur_px: float = 0.6,
    seed: int = 1,
) -> XrayImage:
    """The picture of the phantom by a true view in the frame ``phantom``; noise by so many quanta a pixel (none where 0)."""
    pixels = np.moveaxis(np.mgrid[: view.size[0], : view.size[1]], 0, -1).astype(float)
    ideal = pixels if distortion is None else distortion.ideal(pixels)
    ways, source = view.directions(ideal), view.source_mm
    path = _tube(ways, source)
    for bead, diameter in zip(phantom.beads_mm, phantom.diameters_mm, strict=True):
        towards = bead - source
        along = ways @ towards
        square = (diameter / 2) ** 2 - ((towards @ towards) - along**2)
        path += 2 * np.sqrt(np.maximum(square, 0)) * STEEL_PER_MM
    arriving = ndi.gaussian_filter(np.exp(-path), blur_px, mode="nearest")
    if quanta:
        arriving = np.maximum(np.random.default_rng(seed).poisson(arriving * quanta), 0.5) / quanta
    values: Float32Array = -np.log(arriving).astype(np.float32)
    return XrayImage(values, view, line_integrals=True, source="phantom")


def _tube(ways: np.ndarray, source: np.ndarray) -> np.ndarray:
    """(rows, columns) of an endless tube along z."""
    a = (ways[..., :2] ** 2).sum(axis=-1)
    b = (ways[..., :2] * source[:2]).sum(axis=-1)
    chords = [2 * np.sqrt(np.maximum(b**2 - a * (source[:2] @ source[:2] - r**2), 0)) / a for r in TUBE_MM]
    return np.asarray((chords[1] - chords[0]) * TUBE_PER_MM)
