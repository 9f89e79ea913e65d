"""What averaging cannot remove from a guide that the camera sees: constant marker errors, taken to entry and target.

Each marker's constant error has a part of its own (sphere, tool calibration) and a part that changes smoothly over the camera's
volume, which neighbours share. Both tools' poses are least-squares fits, so the error of the guide against the plan at a point is
linear in all markers' errors: first order, as Fitzpatrick, West & Maurer 1998 (IEEE TMI 17:694) and planning_core.registration.
"""

from __future__ import annotations

import attrs
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_float64
from planning_core.registration.tracked import camera_covariance
from planning_core.registration.uncertain import cross, point_jacobian

Sigmas = tuple[PositiveFloat, PositiveFloat, PositiveFloat]


class SightConfig(BaseModel):
    """One sigma of what stays the same from frame to frame; the camera's axes are x, y and depth."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    marker_mm: Sigmas = Field(
        (0.030, 0.030, 0.0905),
        description="assumed: each marker's own, 0.10 mm together, deeper along the view as triangulation has it; markers of one "
        "tool lie within 0.1 mm of their drawing only where it was calibrated",
    )
    field_mm: Sigmas = Field(
        (0.063, 0.063, 0.19),
        description="smooth error of the volume, 0.20 mm together: with scatter 0.25 (FACTS 1), split assumed",
    )
    field_wavelength_mm: float = Field(
        2000.0, gt=0, description="over which the smooth error varies (assumed: the volume's size)"
    )
    guide_mm: float = Field(0.05, ge=0, description="assumed: calibration of the sleeve's mouth against the plate, each axis")
    guide_deg: float = Field(0.02, ge=0, description="assumed: of its axis, each axis")


@attrs.frozen(eq=False)
class Markers:
    """Marker centres (n, 3), mm, n ≥ 3: of the patient reference in ``patient_ref`` and of the plate in ``robot_ref``."""

    patient_mm: FloatArray = attrs.field(converter=frozen_float64)
    tool_mm: FloatArray = attrs.field(converter=frozen_float64)

    def __attrs_post_init__(self) -> None:
        for name, points in (("patient_ref", self.patient_mm), ("robot_ref", self.tool_mm)):
            if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3 or not np.isfinite(points).all():
                raise InputError(f"{name}'s markers must be (n, 3) with n from 3, got {points.shape}", shape=list(points.shape))
            if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1.0) < 2:
                raise InputError(f"{name}'s markers lie on one line", shape=list(points.shape))


def constant_covariances(
    patient: RigidTransform,
    tool: RigidTransform,
    tool_from_tip: RigidTransform,
    depths_mm: tuple[float, float],
    markers: Markers,
    config: SightConfig,
) -> FloatArray:
    """(3, 3, 3): covariances of the error at entry (mm²), at target (mm²) and of the axis (degrees²), in the guide's axes.

    Args:
        patient: ``T_tracker_patient_ref``. tool: ``T_tracker_robot_ref``. tool_from_tip: ``T_robot_ref_guide_tip``.
        depths_mm: of entry and target below the tip.
    """
    tip = tool @ tool_from_tip
    fits = [_fit(tool.apply(markers.tool_mm)), _fit(patient.apply(markers.patient_mm))]
    shared, own = np.diag(np.square(config.field_mm)), np.diag(np.square(config.marker_mm))
    noise = camera_covariance(np.vstack([points for points, _ in fits]), shared, own, config.field_wavelength_mm)
    axes = tip.rotation
    out = np.empty((3, 3, 3))
    for row, depth in enumerate(depths_mm):
        point = tip.apply([0.0, 0.0, depth])
        at = np.hstack([sign * point_jacobian(point - points.mean(axis=0)) @ gain for sign, (points, gain) in _signed(fits)])
        out[row] = axes.T @ at @ noise @ at.T @ axes
        lever = np.deg2rad(config.guide_deg) * depth
        out[row] += np.eye(3) * config.guide_mm**2 + np.diag([lever**2, lever**2, 0.0])
    turn = -cross(axes[:, 2]) @ np.hstack([sign * gain[:3] for sign, (_, gain) in _signed(fits)])
    out[2] = np.rad2deg(np.rad2deg(axes.T @ turn @ noise @ turn.T @ axes)) + np.diag([1.0, 1.0, 0.0]) * config.guide_deg**2
    return out


def farthest(means: FloatArray, covariances: FloatArray, times: float) -> FloatArray:
    """(...,) how far from zero the ellipsoids of so many sigma about means (..., 3) reach.

    Inside a limit with it, and the truth is: were the truth at or beyond the limit in direction u, the mean would have to fall
    short of it along u by more than ``times`` sigma. So the chance of a false yes is at most that one tail, whatever u is.
    """
    means = np.asarray(means, dtype=np.float64)
    along = means @ _DIRECTIONS.T + times * np.sqrt(np.einsum("da,...ab,db->...d", _DIRECTIONS, covariances, _DIRECTIONS))
    return np.asarray(along.max(axis=-1) * _COVER)


def _signed(fits: list[tuple[FloatArray, FloatArray]]) -> list[tuple[float, tuple[FloatArray, FloatArray]]]:
    return list(zip((1.0, -1.0), fits, strict=True))


def _fit(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The points, and (6, 3n): turn about their middle and shift of a fit, from their errors."""
    jacobian = point_jacobian(points - points.mean(axis=0)).reshape(-1, 6)
    return points, np.linalg.solve(jacobian.T @ jacobian, jacobian.T)


def _even_directions(count: int) -> FloatArray:
    k = np.arange(count) + 0.5
    height, around = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    return np.stack([np.sqrt(1 - height**2) * np.cos(around), np.sqrt(1 - height**2) * np.sin(around), height], axis=-1)


_DIRECTIONS = _even_directions(800)
_COVER = 1.004
"""No direction is farther than 5° from one of these; the largest value is missed by no more than 1 − cos 5°."""
