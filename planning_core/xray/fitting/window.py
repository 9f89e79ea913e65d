"""The part of an X-ray image about a vertebra at one resolution, and the slopes that are compared there."""

from __future__ import annotations

import functools

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.geometry.arrays import BoolArray, Float32Array, FloatArray
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage

BAND = 3.0
"""Blur that is taken away over blur that is put on: slopes of a band of widths are compared."""
REACH = 3.0
"""Sigmas of a filter beyond which it does not look."""
EDGE_PX = 8
"""What lies beyond the window's border is not drawn: pixels nearer to it are not compared."""
LEAST_PIXELS = 30
EVERY = 2
"""Blurred slopes are compared in every other pixel of every other row: between them they say nothing new."""


@functools.lru_cache(maxsize=128)
def _filters(n: int, sigma: float, every: int) -> tuple[Float32Array, Float32Array]:
    """(n / every, n) matrices: a line of n pixels blurred, and the slope of the blurred line; the ends are carried on."""
    lines = np.eye(n, dtype=np.float64)
    both = [ndi.gaussian_filter1d(lines, sigma, axis=0, order=order, mode="nearest", truncate=REACH) for order in (0, 1)]
    return both[0][::every].astype(np.float32), both[1][::every].astype(np.float32)


def edges(pictures: Float32Array, blur_px: float, every: int = EVERY) -> Float32Array:
    """(..., 2, rows, columns) float32: slopes down and across of blurred pictures (..., rows, columns), less those of wider blur.

    As products with matrices: many small pictures at once. Only ``every`` so manieth row and column is worked out.
    """
    rows, columns = pictures.shape[-2:]
    wide = BAND * blur_px
    (row_blur, row_slope), (row_wide, row_wide_slope) = _filters(rows, blur_px, every), _filters(rows, wide, every)
    (blur, slope), (wide_blur, wide_slope) = _filters(columns, blur_px, every), _filters(columns, wide, every)
    count = len(blur)
    # one product of two plain matrices: a stack of pictures would be multiplied one by one, without the fast library
    right = pictures.reshape(-1, columns) @ np.ascontiguousarray(np.concatenate([blur, wide_blur, slope, wide_slope]).T)
    right = right.reshape(*pictures.shape[:-1], 4 * count)
    a, b, c, d = (right[..., n * count : (n + 1) * count] for n in range(4))
    return np.stack([row_slope @ a - row_wide_slope @ b, row_blur @ c - row_wide @ d], axis=-3)


@attrs.frozen(eq=False, slots=False)
class Window:
    """What one X-ray image shows around a vertebra, at one resolution.

    Args:
        view: of these pixels. edges: (2, rows, columns) float32. usable: (rows, columns): may be compared. pixel_mm: at the bone.
        trust: (rows, columns) float32: how much a pixel counts, 1 on average.
    """

    view: PinholeView
    edges: Float32Array
    usable: BoolArray
    trust: Float32Array
    pixel_mm: float
    blur_px: float

    @functools.cached_property
    def compared(self) -> Float32Array:
        """(2, rows / 2, columns / 2) float32: ``edges`` where they are compared."""
        return np.ascontiguousarray(self.edges[:, ::EVERY, ::EVERY])


def window_about(
    image: XrayImage, points: FloatArray, pixel_mm: float, margin_mm: float, blur_px: float, calm_mm: float = 0.0
) -> Window | None:
    """The window about points (n, 3) mm and ``margin_mm`` more; ``None`` where the image shows nothing of them.

    Args:
        pixel_mm: wanted size of pixels at the points.
    """
    depth = image.view.depth_mm(points)
    if depth.min() <= 0:
        return None
    magnified = image.view.source_to_detector_mm / float(depth.mean())
    factor = max(1, round(pixel_mm * magnified / max(image.view.pixel_spacing_mm)))
    image = image.binned(factor)
    seen = image.view.project(points)
    margin = margin_mm * magnified / np.array(image.view.pixel_spacing_mm) + EDGE_PX
    low = np.maximum(np.floor(seen.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(seen.max(axis=0) + margin) + 1, image.view.size).astype(int)
    if (high - low).min() < 3 * EDGE_PX:
        return None
    box = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    pixels, exposed = image.pixels[box], image.valid[box]
    if exposed.sum() < LEAST_PIXELS:
        return None
    filled = np.where(exposed, pixels, pixels[exposed].mean()).astype(np.float32)
    usable = ndi.binary_erosion(exposed, iterations=int(np.ceil(REACH * blur_px)), border_value=True)
    usable[:EDGE_PX] = usable[-EDGE_PX:] = False
    usable[:, :EDGE_PX] = usable[:, -EDGE_PX:] = False
    size_mm = float(np.mean(image.view.pixel_spacing_mm)) / magnified
    slopes = edges(filled, blur_px, 1)
    trust = _trust(slopes, usable, calm_mm / size_mm) if calm_mm else np.ones_like(filled)
    return Window(image.view.cropped(*box), slopes, usable, trust, size_mm, blur_px)


def _trust(slopes: Float32Array, usable: BoolArray, calm_px: float) -> Float32Array:
    """(rows, columns): one over what the picture's slopes amount to around, so that no lung's border outvotes the bone."""
    energy = (slopes**2).sum(axis=0)
    around = ndi.gaussian_filter(energy, calm_px)
    usual = float(np.median(around[usable])) if usable.any() else 1.0
    trust = usual / (around + 0.3 * usual)
    return np.asarray(trust / trust[usable].mean() if usable.any() else trust, np.float32)
