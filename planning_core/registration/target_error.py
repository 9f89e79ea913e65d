"""The error to expect at a target: from the errors of what was localised, never from how well the fit closes."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_float64
from planning_core.geometry.covariance import point_covariance
from planning_core.registration.points import PointRegistration
from planning_core.registration.uncertain import UncertainTransform, cross, point_jacobian

DIRECTIONS = 400
HALVINGS = 45


@attrs.frozen(eq=False)
class TargetError:
    """The error to expect at one point.

    Args:
        covariance: (3, 3) mm² in ``frame``.
        frame: name of the frame it is seen in.
        rms_mm: root of its trace.
        bound95_mm: distance that the error stays within in 95 of 100 cases.
        axes: (3, 3) columns: unit axes of the error's ellipsoid, longest first.
        sigmas_mm: (3,) one sigma along each.
    """

    covariance: FloatArray = attrs.field(converter=point_covariance)
    frame: str
    rms_mm: float
    bound95_mm: float
    axes: FloatArray = attrs.field(converter=frozen_float64)
    sigmas_mm: FloatArray = attrs.field(converter=frozen_float64)

    @classmethod
    def of(cls, covariance: FloatArray, frame: str) -> TargetError:
        """From a (3, 3) covariance, mm²."""
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        rms = float(np.sqrt(max(np.trace(covariance), 0.0)))
        bound = float(radius_holding(covariance, 0.95))
        return cls(covariance, frame, rms, bound, vectors[:, ::-1], np.sqrt(np.maximum(values[::-1], 0)))


def error_at(transform: UncertainTransform, point_src: ArrayLike) -> TargetError:
    """The error to expect where a point (3,) mm of ``src`` comes to lie in ``dst``; chains are multiplied beforehand."""
    return TargetError.of(transform.covariance_at(np.asarray(point_src, dtype=np.float64)), transform.transform.dst)


def radius_holding(covariance: FloatArray, share: float) -> FloatArray:
    """(...,) mm: radius of the ball that holds a share of a normal error with covariance (..., 3, 3).

    Along each of many even directions u of a standard normal the error's length is χ₃ times √(uᵀΣu): the mean of χ₃'s
    distribution over them is that of the length, which is halved towards the share.
    """
    k = np.arange(DIRECTIONS) + 0.5
    height, around = 1 - 2 * k / DIRECTIONS, np.pi * (1 + 5**0.5) * k
    u = np.stack([np.sqrt(1 - height**2) * np.cos(around), np.sqrt(1 - height**2) * np.sin(around), height], axis=-1)
    along = np.maximum(np.einsum("da,...ab,db->...d", u, covariance, u), 1e-300)
    high = 6 * np.sqrt(np.maximum(np.trace(covariance, axis1=-2, axis2=-1), 0.0))
    low = np.zeros_like(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        x = middle[..., None] ** 2 / along
        below = (erf(np.sqrt(x / 2)) - np.sqrt(2 * x / np.pi) * np.exp(-x / 2)).mean(axis=-1) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(high)


def fit_covariance(moved: FloatArray, fle: FloatArray, weights: FloatArray) -> FloatArray:
    """(6, 6): what localisation errors do to a pose fitted by weighted least squares, to first order.

    Args:
        moved: (n, 3) mm: the points in ``dst``. fle: (n, 3, 3) mm²: both sides' errors together, seen in ``dst``.
        weights: (n,) of the fit; 0 leaves a point out.

    Source: Danilchenko & Fitzpatrick 2011, IEEE TMI 30:679 (any weights, any covariance per point); Moghari & Abolmaesumi
    2009, IEEE TMI 28:799.
    """
    middle = np.average(moved, axis=0, weights=weights)
    jacobian = point_jacobian(moved - middle)
    weighted = np.swapaxes(jacobian, -1, -2) * weights[:, None, None]
    inverse = np.linalg.inv((weighted @ jacobian).sum(axis=0))
    inner = (weighted @ fle @ np.swapaxes(weighted, -1, -2)).sum(axis=0)
    about_middle = inverse @ inner @ inverse.T
    to_origin = np.eye(6)
    to_origin[3:, :3] = cross(middle)
    return np.asarray(to_origin @ about_middle @ to_origin.T)


def uncertain_fit(registration: PointRegistration, dst_fle: FloatArray, src_fle: FloatArray) -> UncertainTransform:
    """A paired-point registration with its error.

    Args:
        dst_fle: (n, 3, 3) mm² in ``dst``, (3, 3) for all. src_fle: likewise in ``src``. Neither is taken from the residuals.
    """
    turn = registration.transform.rotation
    n = len(registration.src_mm)
    fle = np.broadcast_to(np.asarray(dst_fle) + turn @ np.asarray(src_fle) @ turn.T, (n, 3, 3))
    moved = registration.transform.apply(registration.src_mm)
    return UncertainTransform(registration.transform, fit_covariance(moved, fle, registration.weights))


def uncertain_pose(pose: RigidTransform, markers_mm: FloatArray, fle: FloatArray) -> UncertainTransform:
    """A tool's pose from a camera with its error.

    Args:
        pose: T_tracker_<tool>. markers_mm: (n, 3) in the tool's frame. fle: (3, 3) mm² of one marker in ``tracker``.
    """
    n = len(markers_mm)
    return UncertainTransform(pose, fit_covariance(pose.apply(markers_mm), np.broadcast_to(fle, (n, 3, 3)), np.ones(n)))
