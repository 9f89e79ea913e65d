"""What a scanner shows of a steel ball, and the ball that fits best to what it shows."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.optimize import least_squares
from scipy.special import erf

from planning_core.geometry.arrays import FloatArray, frozen_float64, frozen_vector

FINE_MM = 0.7
"""Voxels wider than this are averaged over two points an axis; narrower ones only add to the blur."""
STARTING_BLUR_MM = 0.6
STEEL_HU = 12_000.0
LEAST_NOISE_HU = 20.0


@attrs.frozen(eq=False)
class BallFit:
    """A ball fitted to voxels.

    Args:
        centre_mm: (3,). covariance: (3, 3) mm², of noise alone. blur_mm: one sigma. contrast_hu: of the ball, unsaturated.
        misfit: rms residual over the contrast seen.
    """

    centre_mm: FloatArray = attrs.field(converter=frozen_vector)
    covariance: FloatArray = attrs.field(converter=frozen_float64)
    blur_mm: float
    contrast_hu: float
    misfit: float


def blurred_ball(distance_mm: FloatArray, radius_mm: float, blur_mm: float) -> FloatArray:
    """Share (...,) of a ball's density at a distance from its centre, after a Gaussian blur: the exact convolution."""
    r = np.maximum(distance_mm, 1e-4)
    s = blur_mm * np.sqrt(2)
    edges = (erf((radius_mm - r) / s) + erf((radius_mm + r) / s)) / 2
    tails = np.exp(-(((radius_mm - r) / s) ** 2)) - np.exp(-(((radius_mm + r) / s) ** 2))
    return np.asarray(edges - blur_mm / (r * np.sqrt(2 * np.pi)) * tails)


def voxel_points(spacing_mm: FloatArray, direction: FloatArray) -> FloatArray:
    """(s, 3) mm: where within a voxel the ball is looked at to average over it (Gauss's two points along wide axes)."""
    ways = [np.array([-1.0, 1.0]) * h / (2 * np.sqrt(3)) if h > FINE_MM else np.zeros(1) for h in spacing_mm]
    inside = np.stack(np.meshgrid(*ways, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(inside @ direction.T)


def fit_ball(
    points_mm: FloatArray,
    hu: FloatArray,
    start_mm: FloatArray,
    radius_mm: float,
    saturation_hu: float,
    within_voxel_mm: FloatArray,
) -> BallFit:
    """The ball of known size that looks most like these voxels: centre, blur, contrast, level and slope of what surrounds it.

    Saturated voxels are compared after the model is cut off at the same value; a soft loss keeps bone and metal nearby from
    pulling.

    Args:
        points_mm: (n, 3) voxel centres. hu: (n,). start_mm: (3,) first guess. within_voxel_mm: (s, 3) of ``voxel_points``.
    """
    around = float(np.median(hu[np.argsort(-np.linalg.norm(points_mm - start_mm, axis=1))[: max(8, len(hu) // 4)]]))
    size = np.array([1, 1, 1, 1, 1, 100, 50, 50, 50])

    def shown(x: FloatArray) -> FloatArray:
        away = np.linalg.norm(points_mm[:, None] + within_voxel_mm - (start_mm + x[:3]), axis=-1)
        share = blurred_ball(away, radius_mm, STARTING_BLUR_MM * np.exp(x[3])).mean(axis=1)
        ground = around + x[5] + (points_mm - start_mm) @ x[6:]
        return np.asarray(np.minimum(ground + share * STEEL_HU * np.exp(x[4]), saturation_hu))

    contrast = float(hu.max() - around)
    scale = 0.05 * contrast
    seen = np.minimum(hu, saturation_hu)
    reach = np.array([radius_mm, radius_mm, radius_mm, 2, 2.5, 2000, 600, 600, 600])
    solved = least_squares(
        lambda x: (shown(x) - seen) / scale, np.zeros(9), x_scale=size, loss="soft_l1", bounds=(-reach, reach), max_nfev=40
    )
    residual = seen - shown(solved.x)
    noise = max(LEAST_NOISE_HU, float(np.sqrt(np.mean(residual**2)))) / scale
    covariance = np.linalg.pinv(solved.jac.T @ solved.jac)[:3, :3] * noise**2
    return BallFit(
        start_mm + solved.x[:3],
        covariance,
        float(STARTING_BLUR_MM * np.exp(solved.x[3])),
        float(STEEL_HU * np.exp(solved.x[4])),
        float(np.sqrt(np.mean(residual**2)) / contrast),
    )
