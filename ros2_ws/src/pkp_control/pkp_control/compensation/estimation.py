"""What is believed: where the patient will be, and what the arm's model does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from pkp_control.compensation.config import CompensationConfig
from pkp_control.kinematics import ArmKinematics
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform

Vector = NDArray[np.float64]


class ConstantVelocity:
    """Kalman filter of a point (3,) with one variance for all axes; ``intensity`` is the sigma of its acceleration."""

    def __init__(self, intensity: float, noise: float) -> None:
        self.intensity, self.noise = intensity, noise
        self.value, self.speed, self.stamp_s = np.zeros(3), np.zeros(3), -np.inf
        self._p = (0.0, 0.0, 0.0)

    def at(self, time_s: float) -> Vector:
        """Where it is expected at ``time_s``."""
        return self.value + self.speed * (time_s - self.stamp_s)

    def update(self, value: Vector, stamp_s: float) -> None:
        """Take a measurement later than the last."""
        r = self.noise**2
        if not np.isfinite(self.stamp_s):
            self.value, self.stamp_s, self._p = value.copy(), stamp_s, (r, 0.0, (5 * self.noise) ** 2)
            return
        dt = stamp_s - self.stamp_s
        q = self.intensity**2 * dt / 60.0  # continuous: the sigma is meant per step at 60 Hz, a longer gap adds more
        p, c, s = self._p
        p, c, s = p + 2 * dt * c + dt * dt * s + q * dt**2 / 3, c + dt * s + q * dt / 2, s + q
        expected = self.at(stamp_s)
        gain, rate = p / (p + r), c / (p + r)
        self.value = expected + gain * (value - expected)
        self.speed = self.speed + rate * (value - expected)
        self.stamp_s, self._p = stamp_s, (p * (1 - gain), c * (1 - gain), s - rate * c)


class SlowMean:
    """A mean that forgets as the arm travels and as time passes."""

    def __init__(self, config: CompensationConfig, noise: float) -> None:
        self.value: Vector = np.zeros(3)
        self._noise, self._scale, self._config = noise, noise / config.point_noise_mm, config
        self._variance, self._stamp_s = np.inf, -np.inf

    def update(self, value: Vector, stamp_s: float, travelled_mm: float) -> None:
        """Take a measurement made after the arm travelled so far."""
        if not np.isfinite(self._variance):
            self.value, self._variance, self._stamp_s = value.copy(), self._noise**2, stamp_s
            return
        config = self._config
        travel = config.drift_mm_per_mm * travelled_mm * self._scale
        self._variance += travel**2 + (config.drift_mm_per_s * self._scale) ** 2 * (stamp_s - self._stamp_s)
        gain = self._variance / (self._variance + self._noise**2)
        self.value = self.value + gain * (value - self.value)
        self._variance *= 1 - gain
        self._stamp_s = stamp_s


def locate_tracker(
    arm: ArmKinematics, joints: ArrayLike, poses: Sequence[RigidTransform], tool_from_tip: RigidTransform
) -> RigidTransform:
    """``T_robot_base_tracker`` from the tool seen while the arm stands still.

    True near the tool, wrong by the arm's own error in angle times the distance elsewhere: enough where the rest is measured.

    Args:
        arm: kinematics.
        joints: (6,) rad.
        poses: ``T_tracker_robot_ref``, at least ten.
        tool_from_tip: ``T_robot_ref_guide_tip``.

    Raises:
        InputError: fewer than ten poses.
    """
    if len(poses) < 10:
        raise InputError(f"at least 10 poses are needed to locate the tracker, got {len(poses)}", poses=len(poses))
    turn = Rotation.from_matrix([p.rotation for p in poses]).mean().as_matrix()
    seen = RigidTransform.from_parts(poses[0].dst, poses[0].src, turn, np.mean([p.translation_mm for p in poses], axis=0))
    return arm.forward(joints) @ (seen @ tool_from_tip).inverse()
