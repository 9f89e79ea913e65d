"""Array types and the one way this project freezes an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
LabelArray = NDArray[np.uint8]
IntArray = NDArray[np.int_]


def frozen(values: ArrayLike, dtype: Any = np.float64) -> NDArray[Any]:
    """A read-only contiguous array; copies only when the caller could still write to it."""
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def frozen_vector(values: ArrayLike) -> FloatArray:
    """A read-only (3,) float64 copy, refusing other shapes and non-finite numbers."""
    array = np.array(values, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise ValueError(f"expected three finite numbers, got {values!r}")
    array.flags.writeable = False
    return array


def frozen_float64(values: ArrayLike) -> FloatArray:
    """A read-only float64 array."""
    return frozen(values, np.float64)


def frozen_float32(values: ArrayLike) -> Float32Array:
    """A read-only float32 array."""
    return frozen(values, np.float32)


def frozen_uint8(values: ArrayLike) -> LabelArray:
    """A read-only uint8 array."""
    return frozen(values, np.uint8)


def frozen_int16(values: ArrayLike) -> NDArray[np.int16]:
    """A read-only int16 array."""
    return frozen(values, np.int16)


def rotated(points: FloatArray, matrix: FloatArray) -> FloatArray:
    """``matrix`` (3, 3) times each of the points (..., 3), as one product (numpy multiplies stacks row by row)."""
    return np.asarray((points.reshape(-1, 3) @ matrix.T).reshape(points.shape))
