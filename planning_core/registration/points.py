"""Paired points: the rigid move of least squares, alone and among outliers."""

from __future__ import annotations

from itertools import combinations

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray, frozen, frozen_float64, rotated
from planning_core.registration.refusals import OutliersError, PointsError

ALL_TRIPLES_UP_TO = 16
DRAWS = 2000
LINE_SHARE = 1e-3
"""Points whose second spread is below this share of the first lie on one line."""


def frozen_bool(values: ArrayLike) -> BoolArray:
    """A read-only bool array."""
    return frozen(values, np.bool_)


@attrs.frozen(eq=False)
class PointRegistration:
    """A rigid move between paired points.

    Args:
        transform: T_dst_src.
        src_mm: (n, 3) the points in ``src``, mm.
        residuals_mm: (n, 3) dst point minus moved src point, mm in ``dst``; of outliers too.
        fre_mm: root mean square residual of the inliers. It says nothing of the error at a target.
        inliers: (n,) bool: pairs that took part.
        weights: (n,) as used, 0 for outliers.
    """

    transform: RigidTransform
    src_mm: FloatArray = attrs.field(converter=frozen_float64)
    residuals_mm: FloatArray = attrs.field(converter=frozen_float64)
    fre_mm: float
    inliers: BoolArray = attrs.field(converter=frozen_bool)
    weights: FloatArray = attrs.field(converter=frozen_float64)


def rigid_fit(dst: FloatArray, src: FloatArray, weights: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Rotation and translation of least squares by singular values, proper also for mirrored points.

    Args:
        dst: (..., n, 3). src: (..., n, 3). weights: (..., n).

    Returns:
        (..., 3, 3) rotation and (..., 3) translation.

    Source: Arun 1987 with Umeyama's sign (1991).
    """
    share = np.ones(src.shape[:-1]) if weights is None else np.broadcast_to(weights, src.shape[:-1])
    share = (share / share.sum(axis=-1, keepdims=True))[..., None]
    src_mean, dst_mean = (src * share).sum(axis=-2), (dst * share).sum(axis=-2)
    spread = np.swapaxes((dst - dst_mean[..., None, :]) * share, -1, -2) @ (src - src_mean[..., None, :])
    left, _, right = np.linalg.svd(spread)
    left = left.copy()
    left[..., :, 2] *= np.sign(np.linalg.det(left @ right))[..., None]
    rotation = left @ right
    return rotation, dst_mean - np.einsum("...ab,...b->...a", rotation, src_mean)


def fit_points(dst_mm: ArrayLike, src_mm: ArrayLike, dst: str, src: str, weights: ArrayLike | None = None) -> PointRegistration:
    """T_dst_src from paired points, all of them.

    Args:
        dst_mm: (n, 3) in frame ``dst``. src_mm: (n, 3) in frame ``src``. weights: (n,) positive.

    Raises:
        PointsError: fewer than three pairs, on one line, not finite, or not paired.
    """
    there, here, share = _checked(dst_mm, src_mm, weights)
    return _registered(there, here, share, np.ones(len(here), bool), dst, src)


def fit_points_robustly(
    dst_mm: ArrayLike,
    src_mm: ArrayLike,
    dst: str,
    src: str,
    inlier_mm: float,
    min_inliers: int = 4,
    weights: ArrayLike | None = None,
    seed: int = 0,
) -> PointRegistration:
    """T_dst_src from paired points of which less than half may be wrong.

    Every triple of pairs (of many pairs, a seeded draw) proposes a pose; the one with which most pairs agree within
    ``inlier_mm`` is refitted to them until they stay the same.

    Raises:
        PointsError: as ``fit_points``.
        OutliersError: fewer than ``min_inliers``, or not more than half of the pairs, agree.
    """
    there, here, share = _checked(dst_mm, src_mm, weights)
    n = len(here)
    needed = max(min_inliers, n // 2 + 1)
    triples = np.array(list(combinations(range(n), 3))) if n <= ALL_TRIPLES_UP_TO else _drawn(n, seed)
    turn, shift = rigid_fit(there[triples], here[triples])
    away = np.linalg.norm(np.einsum("hab,nb->hna", turn, here) + shift[:, None] - there, axis=-1)
    agree = away < inlier_mm
    # most agreeing pairs first, then the nearest
    score = agree.sum(axis=1) - np.where(agree, away / inlier_mm, 0).sum(axis=1) / n
    inliers = agree[int(score.argmax())]
    for _ in range(20):
        if inliers.sum() < max(needed, 3) or _on_a_line(here[inliers]):
            break
        fit = _registered(there, here, share, inliers, dst, src)
        again = np.linalg.norm(fit.residuals_mm, axis=1) < inlier_mm
        if np.array_equal(again, inliers):
            return fit
        inliers = again
    raise OutliersError(
        f"only {int(inliers.sum())} of {n} pairs agree on one pose within {inlier_mm:g} mm, {needed} are needed",
        agreeing=int(inliers.sum()),
        needed=needed,
        count=n,
    )


def _registered(
    there: FloatArray, here: FloatArray, share: FloatArray, inliers: BoolArray, dst: str, src: str
) -> PointRegistration:
    used = np.where(inliers, share, 0.0)
    rotation, translation = rigid_fit(there, here, used)
    transform = RigidTransform.from_parts(dst, src, rotation, translation)
    residuals = there - rotated(here, rotation) - translation
    fre = float(np.sqrt((residuals[inliers] ** 2).sum(axis=1).mean()))
    return PointRegistration(transform, here, residuals, fre, inliers, used)


def _checked(dst_mm: ArrayLike, src_mm: ArrayLike, weights: ArrayLike | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    there, here = np.array(dst_mm, dtype=np.float64), np.array(src_mm, dtype=np.float64)
    if there.shape != here.shape or here.ndim != 2 or here.shape[1] != 3:
        raise PointsError(f"points are not paired: shapes {there.shape} and {here.shape}", count=len(here), needed=3)
    if len(here) < 3:
        raise PointsError(f"{len(here)} pairs of points fix no pose, 3 are needed", count=len(here), needed=3)
    share = np.ones(len(here)) if weights is None else np.array(weights, dtype=np.float64)
    if not (np.isfinite(there).all() and np.isfinite(here).all() and np.isfinite(share).all()):
        raise PointsError("points or weights are not finite", count=len(here), needed=3)
    if share.shape != (len(here),) or share.min() <= 0:
        raise PointsError(f"weights must be {len(here)} positive numbers", count=len(here), needed=3)
    if _on_a_line(here) or _on_a_line(there):
        raise PointsError("points on one line fix no pose: spread them", count=len(here), needed=3)
    return there, here, share


def _on_a_line(points: FloatArray) -> bool:
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[1] <= LINE_SHARE * max(spread[0], 1e-9))


def _drawn(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(n, 3, replace=False) for _ in range(DRAWS)])
