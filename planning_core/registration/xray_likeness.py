"""How like a projected bone and an X-ray image are, by the edges both show, and how that changes with the bone's pose.

Gradient correlation (Penney et al. 1998, IEEE TMI 17:586): the cosine between the two pictures' slopes over all pixels that the
bone covers. It does not ask for equal brightness, and what else lies over the bone is smoother than the bone. Laying one unit
vector over another is least squares, which Gauss and Newton's steps solve with the projector's own derivative.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import scipy.fft
import scipy.ndimage as ndi
from numpy.typing import NDArray

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import BoolArray, Float32Array, FloatArray
from planning_core.imaging.drr.attenuation import AttenuationVolume
from planning_core.imaging.drr.projector import line_integrals_and_slopes, smooth_line_integrals
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage

BAND = 3.0
"""Blur that is taken away over blur that is put on: slopes of a band of widths are compared."""
REACH = 3.0
"""Sigmas of a filter beyond which it does not look."""
COVERED = 1e-3
"""Of the largest bone path: less is not covered by the bone."""
LEAST_PIXELS = 60


def edges(picture: Float32Array, blur_px: float) -> Float32Array:
    """(2, rows, columns, ...) float32: a blurred picture's slopes down and across; further axes are more pictures."""
    still = (0,) * (picture.ndim - 2)

    def slope(order: tuple[int, int], sigma: float) -> Float32Array:
        sigmas = (sigma, sigma, *(0.0 for _ in still))
        return np.asarray(ndi.gaussian_filter(picture, sigmas, (*order, *still), mode="nearest", truncate=REACH))

    # the slopes of what is wider than bone's edges are flesh, scatter and the border of the scan
    return np.stack([slope(order, blur_px) - slope(order, BAND * blur_px) for order in ((1, 0), (0, 1))])


@attrs.frozen(eq=False)
class Picture:
    """What one X-ray image shows around the bone, at one resolution.

    Args:
        view: of these pixels. edges: (2, rows, columns) float32. usable: (rows, columns): far enough from what was not exposed.
    """

    view: PinholeView
    edges: Float32Array
    usable: BoolArray


@attrs.frozen(eq=False)
class Step:
    """One view's part in a Gauss-Newton step.

    Args:
        likeness: -1 to 1. normal: (6, 6); pull: (6,): of turn (rad) and shift (mm) in the bone's frame.
        residual: (2, rows, columns); slopes: (2, rows, columns, 6): what ``pull`` is the sum of.
    """

    likeness: float
    normal: FloatArray
    pull: FloatArray
    residual: NDArray[Any]
    slopes: NDArray[Any]


def picture_around(
    image: XrayImage, bone: AttenuationVolume, pose: RigidTransform, pixel_mm: float, reach_mm: float, blur_px: float
) -> Picture | None:
    """The part of an image that shows the bone at a pose or within ``reach_mm`` of it; ``None`` where it shows nothing.

    Args:
        pixel_mm: wanted size of pixels at the bone.
    """
    corners = pose.apply(bone.grid.points(np.stack(np.meshgrid(*[(0, n - 1) for n in bone.grid.shape], indexing="ij"), axis=-1)))
    depth = float(image.view.depth_mm(corners).mean())
    if depth <= 0 or float(image.view.depth_mm(corners).min()) <= 0:
        return None
    magnified = image.view.source_to_detector_mm / depth
    factor = max(1, round(pixel_mm * magnified / max(image.view.pixel_spacing_mm)))
    image = image.binned(factor)
    margin = (reach_mm + REACH * blur_px * pixel_mm) * magnified / np.array(image.view.pixel_spacing_mm)
    seen = image.view.project(corners.reshape(-1, 3))
    low = np.maximum(np.floor(seen.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(seen.max(axis=0) + margin) + 1, image.view.size).astype(int)
    if (high - low).min() < 2 * REACH * blur_px:
        return None
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    pixels, exposed = image.pixels[window], image.valid[window]
    if exposed.sum() < LEAST_PIXELS:
        return None
    filled = np.where(exposed, pixels, pixels[exposed].mean()).astype(np.float32)
    reach = int(np.ceil(REACH * blur_px))
    usable = exposed if exposed.all() else ndi.binary_erosion(exposed, iterations=reach, border_value=True)
    return Picture(image.view.cropped(*window), edges(filled, blur_px), usable)


def likeness(picture: Picture, bone: AttenuationVolume, pose: RigidTransform, blur_px: float) -> float:
    """-1 to 1: cosine between the slopes of the picture and of the projected bone, where the bone is seen; -1 where it is not."""
    projected = smooth_line_integrals(bone, picture.view.seen_from(pose))
    mine, weight = edges(projected, blur_px), _covered(projected, picture, blur_px)
    theirs = picture.edges * weight
    size = float(np.sqrt((theirs**2).sum() * ((mine * weight) ** 2).sum()))
    return float((theirs * mine).sum()) / size if weight.sum() >= LEAST_PIXELS and size > 0 else -1.0


def step(picture: Picture, bone: AttenuationVolume, pose: RigidTransform, blur_px: float, about_mm: FloatArray) -> Step:
    """What one view says about how to move the bone (turn about ``about_mm`` and shift, in the bone's own frame)."""
    projected, by_pose = line_integrals_and_slopes(bone, picture.view.seen_from(pose), about_mm)
    weight = _covered(projected, picture, blur_px)
    mine, theirs = edges(projected, blur_px) * weight, picture.edges * weight
    moved = edges(by_pose, blur_px) * weight[..., None]
    mine_size, their_size = float(np.sqrt((mine**2).sum())), float(np.sqrt((theirs**2).sum()))
    if weight.sum() < LEAST_PIXELS or mine_size == 0 or their_size == 0:
        return Step(-1.0, np.zeros((6, 6)), np.zeros(6), np.zeros_like(mine), np.zeros_like(moved))
    mine, theirs, moved = mine / mine_size, theirs / their_size, moved / mine_size
    cosine = float((mine * theirs).sum())
    moved = moved - mine[..., None] * np.tensordot(mine, moved, 3)  # only what turns the vector, not what stretches it
    residual = theirs - cosine * mine
    flat = moved.reshape(-1, 6).astype(np.float64)
    return Step(cosine, flat.T @ flat, flat.T @ residual.reshape(-1), residual, moved)


def shift_to(picture: Picture, bone: AttenuationVolume, pose: RigidTransform, blur_px: float, reach_px: FloatArray) -> FloatArray:
    """(2,) rows and columns by which the projected bone, kept as it is, lies best on the picture; whole pixels.

    Args:
        reach_px: (2,) how far is looked. The sums are Fourier transforms (Lewis 1995).
    """
    projected = smooth_line_integrals(bone, picture.view.seen_from(pose))
    # within the picture itself: what stands out over its border counts less, as it is seen less
    mine, covered = edges(projected, blur_px), projected > COVERED * projected.max()
    size = [scipy.fft.next_fast_len(2 * n, real=True) for n in picture.view.size]
    theirs = picture.edges * picture.usable

    def correlated(fixed: Float32Array, moving: Float32Array) -> FloatArray:
        product = scipy.fft.rfft2(fixed, size) * np.conj(scipy.fft.rfft2(moving, size))
        return np.asarray(scipy.fft.irfft2(product, size))

    together = sum(correlated(t, m) for t, m in zip(theirs, mine, strict=True))
    energy = correlated((theirs**2).sum(axis=0), covered.astype(np.float32))
    score = together / np.sqrt(np.maximum(energy, 0.05 * energy.max()) + 1e-12)
    rows, columns = (np.rint(scipy.fft.fftfreq(n, 1 / n)) for n in size)
    score = np.where((abs(rows) <= reach_px[0])[:, None] & (abs(columns) <= reach_px[1])[None, :], score, -np.inf)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    return np.array([rows[row], columns[column]])


def _covered(projected: Float32Array, picture: Picture, blur_px: float) -> Float32Array:
    """(rows, columns): 1 where the bone or its outline is seen."""
    bone = projected > COVERED * projected.max()
    return (ndi.binary_dilation(bone, iterations=int(np.ceil(2 * blur_px))) & picture.usable).astype(np.float32)
