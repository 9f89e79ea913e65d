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
LEAST_PIXELS = 60


@functools.lru_cache(maxsize=64)
def _filters(n: int, sigma: float) -> tuple[Float32Array, Float32Array]:
    """(n, n) matrices that blur a line of n pixels and take the slope of the blurred line; the ends are carried on."""
    lines = np.eye(n, dtype=np.float64)
    both = [ndi.gaussian_filter1d(lines, sigma, axis=0, order=order, mode="nearest", truncate=REACH) for order in (0, 1)]
    return both[0].astype(np.float32), both[1].astype(np.float32)


def edges(pictures: Float32Array, blur_px: float) -> Float32Array:
    """(..., 2, rows, columns) float32: slopes down and across of blurred pictures (..., rows, columns), less those of wider blur.

    As products with matrices: many small pictures at once.
    """
    rows, columns = pictures.shape[-2:]
    wide = BAND * blur_px
    (row_blur, row_slope), (row_wide, row_wide_slope) = _filters(rows, blur_px), _filters(rows, wide)
    (blur, slope), (wide_blur, wide_slope) = _filters(columns, blur_px), _filters(columns, wide)
    right = pictures @ np.concatenate([blur, wide_blur, slope, wide_slope]).T
    a, b, c, d = (right[..., n * columns : (n + 1) * columns] for n in range(4))
    return np.stack([row_slope @ a - row_wide_slope @ b, row_blur @ c - row_wide @ d], axis=-3)


@attrs.frozen(eq=False)
class Window:
    """What one X-ray image shows around a vertebra, at one resolution.

    Args:
        view: of these pixels. edges: (2, rows, columns) float32. usable: (rows, columns): may be compared. pixel_mm: at the bone.
    """

    view: PinholeView
    edges: Float32Array
    usable: BoolArray
    pixel_mm: float
    blur_px: float


def window_about(image: XrayImage, points: FloatArray, pixel_mm: float, margin_mm: float, blur_px: float) -> Window | None:
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
    return Window(image.view.cropped(*box), edges(filled, blur_px), usable, size_mm, blur_px)
