"""The simulated controller and its joints: commands in, joint states out, and the truth for tests only."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import attrs
import numpy as np
from numpy.typing import ArrayLike

from hardware_sim.arm.config import ArmConfig
from hardware_sim.arm.geometry import TrueGeometry
from planning_core.errors import InputError, PkpError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray


class ArmMode(StrEnum):
    """What the controller does with commands."""

    RUNNING = "running"
    PROTECTIVE_STOP = "protective_stop"
    RESTARTING = "restarting"
    IDLE = "idle"


class ArmFault(StrEnum):
    """Faults that can be asked for at run time."""

    PROTECTIVE_STOP = "protective_stop"
    JOINT_LAG = "joint_lag"
    WRONG_CALIBRATION = "wrong_calibration"
    CONTROLLER_RESTART = "controller_restart"


class CommandRefusedError(PkpError):
    """The controller takes no commands now. Carries ``mode``."""

    code = "command_refused"


@attrs.frozen(eq=False)
class JointState:
    """What the encoders say: (6,) rad and rad/s at ``stamp_s``."""

    stamp_s: float
    joints: FloatArray
    speed: FloatArray


class SimulatedArm:
    """One arm, stepped with an explicit clock.

    A command is reached over one command period (as a vendor's servo interface does) and followed with a first-order lag inside
    speed and acceleration limits. A command that is not finite, leaves the range, is too fast or too rough stops the arm until
    :meth:`unlock`; nothing moves by itself afterwards.

    Args:
        config: servo and errors.
        seed: draws the true geometry and the noise.
        start: (6,) rad.
    """

    def __init__(self, config: ArmConfig, seed: int, start: ArrayLike) -> None:
        self.config = config
        self.geometry = TrueGeometry.seeded(config, seed)
        self.mode = ArmMode.RUNNING
        self.stop_reason = ""
        self.now_s = 0.0
        self._noise = np.random.default_rng([seed, 72])
        self._motor: FloatArray = np.array(start, dtype=np.float64)
        self._link: FloatArray = self._motor.copy()
        self._speed: FloatArray = np.zeros(6)
        self._lag_s = config.lag_s
        self._steps = 0
        self._resumes_s = 0.0
        self._trajectory: tuple[FloatArray, FloatArray] | None = None
        self._forget()

    def command(self, joints: ArrayLike) -> None:
        """One streamed position setpoint (6,) rad, taken now (forward_position_controller/commands).

        Raises:
            CommandRefusedError: the controller is not running.
        """
        self._require_running()
        self._trajectory = None
        self._take(np.array(joints, dtype=np.float64))

    def follow(self, times_s: Sequence[float], joints: ArrayLike) -> None:
        """A trajectory (FollowJointTrajectory): (n,) s from now, rising, and (n, 6) rad, joined by straight lines.

        Raises:
            CommandRefusedError: the controller is not running.
            InputError: times that do not rise from above zero, or shapes that do not meet.
        """
        self._require_running()
        times, points = np.asarray(times_s, dtype=np.float64), np.asarray(joints, dtype=np.float64)
        if points.ndim != 2 or points.shape[1:] != (6,) or times.shape != points.shape[:1] or not len(times):
            raise InputError(f"times (n,) and joints (n, 6) are needed, got {times.shape} and {points.shape}")
        if not np.isfinite(times).all() or times[0] <= 0 or (np.diff(times) <= 0).any():
            raise InputError("times must be finite, above zero and rising", first_s=float(times[0]))
        start = self._goal if self._commanded else self._motor
        self._trajectory = (self.now_s + np.concatenate([[0.0], times]), np.vstack([start, points]))

    @property
    def following(self) -> bool:
        """A trajectory is under way."""
        return self._trajectory is not None

    def cancel(self) -> None:
        """Drop the trajectory; the arm comes to rest where its servo takes it."""
        self._trajectory = None

    def advance(self, until_s: float) -> None:
        """Let time pass to ``until_s``, servo step by servo step."""
        step_s = 1.0 / self.config.servo_hz
        while (self._steps + 1) * step_s <= until_s + 1e-9:
            self._steps += 1
            self.now_s = self._steps * step_s
            self._step(step_s)

    def joint_state(self) -> JointState:
        """Encoders, at the motors' side: the gap behind them is not seen."""
        noisy = self._motor + self._noise.normal(size=6) * self.config.encoder_sd_rad
        return JointState(self.now_s, noisy, self._speed.copy())

    def true_tip(self) -> RigidTransform:
        """``T_robot_base_guide_tip`` as it is; for tests and /sim/truth only."""
        return self.geometry.tip(self._link)

    def true_plate(self) -> RigidTransform:
        """``T_robot_base_robot_ref`` as it is; what a simulated tracker looks at."""
        return self.geometry.marker_plate(self._link)

    def true_flange(self) -> FloatArray:
        """(4, 4) robot_base ← robot_flange as it is, mm; with ``geometry`` it gives both of the above at the cost of one."""
        return self.geometry.flange(self._link)

    def inject(self, fault: ArmFault, amount: float | None = None) -> None:
        """A fault now. ``amount``: lag in s (0.15), or what the second joint's zero is off by more, rad (0.02).

        Raises:
            InputError: a lag that is none.
        """
        if fault is ArmFault.JOINT_LAG and amount is not None and amount <= 0:
            raise InputError(f"a lag is above 0 s, got {amount}", amount=amount)
        if fault is ArmFault.PROTECTIVE_STOP:
            self._stop("asked for")
        elif fault is ArmFault.JOINT_LAG:
            self._lag_s = 0.15 if amount is None else amount
        elif fault is ArmFault.WRONG_CALIBRATION:
            self.geometry = self.geometry.offset(1, 0.02 if amount is None else amount)
        else:
            self.mode, self._resumes_s = ArmMode.RESTARTING, self.now_s + self.config.restart_s
            self.stop_reason = "controller restarted"
            self._trajectory = None

    def unlock(self) -> None:
        """The operator's release on the pendant; the arm then waits for a first command close to its joints.

        Raises:
            CommandRefusedError: still restarting.
        """
        if self.mode is ArmMode.RESTARTING:
            raise CommandRefusedError("the controller is still restarting", mode=self.mode.value)
        self.mode, self.stop_reason = ArmMode.RUNNING, ""
        self._forget()

    def place(self, joints: ArrayLike) -> None:
        """Stand where another simulator has the arm: (6,) rad. It follows nothing by itself from then on.

        Raises:
            CommandRefusedError: not six finite numbers.
        """
        there = np.array(joints, dtype=np.float64)
        if there.shape != (6,) or not np.isfinite(there).all():
            raise CommandRefusedError("joints to stand at are not six finite numbers", mode=self.mode.value)
        self.mode, self._motor, self._link, self._speed = ArmMode.IDLE, there, there.copy(), np.zeros(6)
        self._forget()

    def _forget(self) -> None:
        self._goal: FloatArray = self._motor.copy()
        self._from: FloatArray = self._motor.copy()
        self._goal_speed: FloatArray = np.zeros(6)
        self._goal_change: FloatArray = np.zeros(6)
        self._taken_s = -np.inf
        self._commanded = 0

    def _require_running(self) -> None:
        if self.mode is not ArmMode.RUNNING:
            raise CommandRefusedError(f"the arm takes no commands: {self.mode} ({self.stop_reason})", mode=self.mode.value)

    def _take(self, goal: FloatArray) -> None:
        config, period = self.config, self.config.command_period_s
        if goal.shape != (6,) or not np.isfinite(goal).all():
            return self._stop("command is not six finite numbers")
        if (np.abs(goal) > np.asarray(config.range_rad)).any():
            return self._stop("command leaves the joints' range")
        if not self._commanded and np.abs(goal - self._motor).max() > config.jump_rad:
            return self._stop("first command is not where the joints are")
        speed = (goal - self._goal) / period
        change = (speed - self._goal_speed) / period
        if np.abs(speed).max() > config.speed_rad_s:
            return self._stop("command is too fast")
        # encoder noise makes the first steps rough: jerk is judged once three commands have been seen
        if self._commanded >= 3 and np.abs(change - self._goal_change).max() / period > config.jerk_rad_s3:
            return self._stop("command is too rough")
        self._from, self._goal, self._goal_speed, self._goal_change = self._reference(), goal, speed, change
        self._taken_s = self.now_s
        self._commanded += 1

    def _stop(self, reason: str) -> None:
        self.mode, self.stop_reason, self._trajectory = ArmMode.PROTECTIVE_STOP, reason, None

    def _reference(self) -> FloatArray:
        share = min(1.0, max(0.0, (self.now_s - self._taken_s) / self.config.command_period_s))
        return self._from + share * (self._goal - self._from)

    def _step(self, step_s: float) -> None:
        config = self.config
        if self.mode is ArmMode.RESTARTING and self.now_s >= self._resumes_s:
            self.mode = ArmMode.IDLE
        if self._trajectory is not None and self.now_s - self._taken_s >= config.command_period_s - 1e-9:
            times, points = self._trajectory
            self._take(np.array([np.interp(self.now_s, times, column) for column in points.T]))
            if self.now_s >= times[-1]:
                self._trajectory = None
        if self.mode is ArmMode.RUNNING:
            wanted = _within((self._reference() - self._motor) / self._lag_s, config.speed_rad_s)
            most = config.acceleration_rad_s2 * step_s
        else:
            wanted, most = np.zeros(6), config.stopping_rad_s2 * step_s
        self._speed = self._speed + _within(wanted - self._speed, most)
        self._motor = self._motor + self._speed * step_s
        # play: the link is dragged along once the gap is taken up
        self._link = self._motor + _within(self._link - self._motor, config.backlash_rad)


def _within(values: FloatArray, most: float) -> FloatArray:
    """Held between -most and most (np.clip's own overhead would be the greater part of a step)."""
    return np.minimum(np.maximum(values, -most), most)
