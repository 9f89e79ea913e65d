"""Covariances that are ones: finite, symmetric, with no negative eigenvalue."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from planning_core.errors import PkpError
from planning_core.geometry.arrays import FloatArray, frozen

NEGATIVE_SHARE = 1e-9


class InvalidCovarianceError(PkpError):
    """A covariance that is none. Carries ``smallest`` (eigenvalue) and ``shape``."""

    code = "invalid_covariance"


def checked_covariance(values: ArrayLike, n: int) -> FloatArray:
    """A read-only symmetric (n, n) covariance.

    Raises:
        InvalidCovarianceError: other shape, not finite, not symmetric or with a negative eigenvalue.
    """
    array = np.array(values, dtype=np.float64)
    if array.shape != (n, n) or not np.isfinite(array).all():
        raise InvalidCovarianceError(
            f"covariance must be {n}x{n} and finite, got shape {array.shape}", shape=list(array.shape), smallest=None
        )
    size = float(np.abs(array).max())
    smallest = float(np.linalg.eigvalsh((array + array.T) / 2)[0])
    if np.abs(array - array.T).max() > 1e-6 * size or smallest < -NEGATIVE_SHARE * size:
        raise InvalidCovarianceError(
            f"no covariance: smallest eigenvalue {smallest:.3g} of {size:.3g}", shape=list(array.shape), smallest=smallest
        )
    return frozen((array + array.T) / 2)


def point_covariance(values: ArrayLike) -> FloatArray:
    """A read-only (3, 3) covariance of a point, mm²; refuses as ``checked_covariance`` does."""
    return checked_covariance(values, 3)
