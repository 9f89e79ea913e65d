"""Rigid transforms that know which frame they lead from and to (docs/transforms.md has a worked example)."""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.errors import PkpError
from planning_core.geometry.arrays import FloatArray, frozen, rotated

ORTHONORMAL_TOLERANCE = 1e-6


class InvalidTransformError(PkpError):
    """A matrix that is not a rigid transform. Carries ``deviation`` (largest entry of RᵀR−I) and ``determinant``."""

    code = "invalid_transform"


class FrameMismatchError(PkpError):
    """Two transforms, or a transform and points, whose frames do not meet. Carries ``left`` and ``right``."""

    code = "frame_mismatch"


def _matrix(values: ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.shape != (4, 4):
        raise InvalidTransformError(f"RigidTransform must be 4x4, got shape {array.shape}", shape=list(array.shape))
    return frozen(array)


def quaternion(rotation: FloatArray) -> FloatArray:
    """(4,) unit quaternion w, x, y, z of a (3, 3) rotation, w ≥ 0 (Shepperd 1978: the largest component first)."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    squares = (1 + a + e + i, 1 + a - e - i, 1 - a + e - i, 1 - a - e + i)
    largest = squares.index(max(squares))
    found = (
        (squares[0], h - f, c - g, d - b),
        (h - f, squares[1], b + d, c + g),
        (c - g, b + d, squares[2], f + h),
        (d - b, c + g, f + h, squares[3]),
    )[largest]
    values = np.array(found) / (2.0 * math.sqrt(squares[largest]))
    return values if values[0] >= 0 else -values


@attrs.frozen(eq=False)
class RigidTransform:
    """``p_dst = T_dst_src @ p_src`` in millimetres.

    Args:
        dst: name of the frame that points come out in.
        src: name of the frame that points go in.
        matrix: (4, 4) float64, orthonormal rotation with determinant +1, translation in mm.

    Raises:
        InvalidTransformError: the matrix is not rigid, or not finite.
    """

    dst: str
    src: str
    matrix: FloatArray = attrs.field(converter=_matrix)

    def __attrs_post_init__(self) -> None:
        # in plain numbers: on sixteen of them numpy's calls cost five times the arithmetic, and rooms make thousands a second
        (a, b, c, x), (d, e, f, y), (g, h, i, z), last = self.matrix.tolist()
        if not all(map(math.isfinite, (a, b, c, d, e, f, g, h, i, x, y, z, *last))):
            raise InvalidTransformError(
                f"T_{self.dst}_{self.src} holds values that are not finite", deviation=None, determinant=None
            )
        lengths = (a * a + d * d + g * g - 1.0, b * b + e * e + h * h - 1.0, c * c + f * f + i * i - 1.0)
        products = (a * b + d * e + g * h, a * c + d * f + g * i, b * c + e * f + h * i)
        deviation = max(map(abs, (*lengths, *products)))
        determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        if not (deviation < ORTHONORMAL_TOLERANCE and determinant > 0 and last == [0.0, 0.0, 0.0, 1.0]):
            raise InvalidTransformError(
                f"T_{self.dst}_{self.src} is not rigid: RᵀR deviates by {deviation:.3g}, determinant {determinant:.6g}",
                deviation=deviation,
                determinant=determinant,
            )

    @classmethod
    def from_parts(cls, dst: str, src: str, rotation: ArrayLike, translation_mm: ArrayLike) -> RigidTransform:
        """From a (3, 3) rotation and a (3,) translation in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = translation_mm
        return cls(dst, src, matrix)

    @classmethod
    def from_quaternion(
        cls, dst: str, src: str, quaternion: tuple[float, float, float, float], translation_mm: ArrayLike
    ) -> RigidTransform:
        """From a rotation as x, y, z, w (any length but zero) and a (3,) translation in mm.

        Raises:
            InvalidTransformError: the quaternion has no length, or is not finite.
        """
        x, y, z, w = quaternion
        square = x * x + y * y + z * z + w * w
        if not 0.0 < square < math.inf:
            raise InvalidTransformError(f"T_{dst}_{src}: no rotation in the quaternion {quaternion}", length=math.sqrt(square))
        s = 2.0 / square
        rotation = (
            (1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
            (s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
            (s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
        )
        return cls.from_parts(dst, src, rotation, translation_mm)

    @property
    def quaternion(self) -> tuple[float, float, float, float]:
        """The rotation as x, y, z, w."""
        w, x, y, z = quaternion(self.rotation).tolist()
        return x, y, z, w

    @property
    def rotation(self) -> FloatArray:
        """(3, 3) rotation; its columns are the axes of ``src`` seen in ``dst``."""
        return self.matrix[:3, :3]

    @property
    def translation_mm(self) -> FloatArray:
        """(3,) origin of ``src`` in ``dst``, mm."""
        return self.matrix[:3, 3]

    def inverse(self) -> RigidTransform:
        """The transform back."""
        rotation = self.rotation.T
        return RigidTransform.from_parts(self.src, self.dst, rotation, -rotation @ self.translation_mm)

    def apply(self, points: ArrayLike) -> FloatArray:
        """Points (..., 3) mm from ``src`` into ``dst``."""
        return rotated(np.asarray(points, dtype=np.float64), self.rotation) + self.translation_mm

    def rotate(self, vectors: ArrayLike) -> FloatArray:
        """Directions (..., 3) from ``src`` into ``dst`` (no translation)."""
        return rotated(np.asarray(vectors, dtype=np.float64), self.rotation)

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """Chain ``T_a_b @ T_b_c``; refuses when the inner frames differ."""
        if self.src != other.dst:
            raise FrameMismatchError(
                f"T_{self.dst}_{self.src} @ T_{other.dst}_{other.src} does not meet: {self.src} is not {other.dst}",
                left=self.src,
                right=other.dst,
            )
        product = self.matrix @ other.matrix
        # keep long chains orthonormal: one Newton step back onto SO(3), whose error is the square of the factors' deviation
        product[:3, :3] = product[:3, :3] @ (1.5 * np.eye(3) - 0.5 * product[:3, :3].T @ product[:3, :3])
        return RigidTransform(self.dst, other.src, product)
