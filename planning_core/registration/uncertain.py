"""Transforms with their own error: how it grows along a chain and what it is at a point."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.covariance import checked_covariance


def _pose_covariance(values: ArrayLike) -> FloatArray:
    return checked_covariance(values, 6)


def cross(points: FloatArray) -> FloatArray:
    """(..., 3, 3): the matrices of the vector product with (..., 3)."""
    x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    o = np.zeros_like(x)
    return np.stack([np.stack([o, -z, y], -1), np.stack([z, o, -x], -1), np.stack([-y, x, o], -1)], -2)


def point_jacobian(points: FloatArray) -> FloatArray:
    """(..., 3, 6): how points (..., 3) move with a small turn (rad) about the origin and shift (mm): ``ω × p + t``."""
    return np.concatenate([-cross(points), np.broadcast_to(np.eye(3), (*points.shape[:-1], 3, 3))], axis=-1)


def adjoint(transform: RigidTransform) -> FloatArray:
    """(6, 6): a small turn and shift in ``src`` as one in ``dst``."""
    out = np.zeros((6, 6))
    out[:3, :3] = out[3:, 3:] = transform.rotation
    out[3:, :3] = cross(transform.translation_mm) @ transform.rotation
    return out


@attrs.frozen(eq=False)
class UncertainTransform:
    """A rigid transform with the covariance of its error.

    The estimate is the truth followed by a small turn ω (rad) about the origin of ``dst`` and a shift t (mm) in ``dst``:
    ``T_estimated p ≈ q + ω × q + t`` with ``q = T_true p``. Errors of links in a chain are taken as independent.

    Args:
        transform: T_dst_src as estimated.
        covariance: (6, 6) of (ω, t).

    Raises:
        InvalidCovarianceError: the covariance is none.
    """

    transform: RigidTransform
    covariance: FloatArray = attrs.field(converter=_pose_covariance)

    @classmethod
    def exact(cls, transform: RigidTransform) -> UncertainTransform:
        """Without error."""
        return cls(transform, np.zeros((6, 6)))

    def inverse(self) -> UncertainTransform:
        """The transform back, its error seen in ``src``."""
        back = self.transform.inverse()
        turn = adjoint(back)
        return UncertainTransform(back, turn @ self.covariance @ turn.T)

    def __matmul__(self, other: UncertainTransform) -> UncertainTransform:
        """Chain ``T_a_b @ T_b_c``.

        Raises:
            FrameMismatchError: the inner frames differ.
        """
        product = self.transform @ other.transform
        turn = adjoint(self.transform)
        return UncertainTransform(product, self.covariance + turn @ other.covariance @ turn.T)

    def covariance_at(self, points_src: ArrayLike) -> FloatArray:
        """(..., 3, 3) mm²: covariance in ``dst`` of where points (..., 3) mm of ``src`` come to lie."""
        jacobian = point_jacobian(self.transform.apply(points_src))
        return np.asarray(jacobian @ self.covariance @ np.swapaxes(jacobian, -1, -2))
