"""Setpoints that never leave the limits: time-optimal, jerk-limited (ruckig), one every period.

Source: L. Berscheid and T. Kröger, "Jerk-limited Real-time Trajectory Generation with Arbitrary Target States", RSS 2021.
Ruckig bounds speed, acceleration and jerk. It does not bound position, so each next state is taken only if braking from it ends
inside the joints' range: from a state with that property, braking keeps it, so the range is never left.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, field_validator
from ruckig import ControlInterface, InputParameter, Result, Ruckig, RuckigError, Synchronization, Trajectory

from pkp_control.kinematics import InvalidJointsError, JointRange, Joints, checked_joints
from planning_core.errors import InputError, PkpError

Six = tuple[float, float, float, float, float, float]


class OutsideRangeError(InputError):
    """A target beyond a joint's range. Carries ``joint``, ``value_rad``, ``lower_rad`` and ``upper_rad``."""

    code = "outside_range"


class TooFastError(InputError):
    """Limits above the arm's own. Carries ``joint``, ``asked`` and ``most``."""

    code = "too_fast"


class TrajectoryFailedError(PkpError):
    """No trajectory inside the limits was found. Carries ``result``."""

    code = "trajectory_failed"


class MotionLimits(BaseModel):
    """Limits of streamed motion, well below the vendor's (180°/s): near a patient slow is safe (FACTS 1, stopping distances)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speed_rad_s: Six = Field((0.5,) * 6, description="assumed for moves in free space")
    acceleration_rad_s2: Six = Field((2.0,) * 6, description="assumed; 5 rad/s² is what the vendor's ROS description uses")
    jerk_rad_s3: Six = Field((40.0,) * 6, description="assumed")
    range_margin_rad: float = Field(0.02, ge=0, description="kept to each joint's stop")
    period_s: float = Field(0.008, gt=0, le=0.02, description="125 Hz, the controller's rate (UR CB3 servo interface)")

    @field_validator("speed_rad_s", "acceleration_rad_s2", "jerk_rad_s3")
    @classmethod
    def _positive(cls, values: Six) -> Six:
        if not all(np.isfinite(v) and v > 0 for v in values):
            raise ValueError(f"limits must be finite and above zero, got {values}")
        return values

    @classmethod
    def following(cls) -> MotionLimits:
        """For following a patient: slower (10 mm/s at 0.8 m is 0.0125 rad/s), yet quick to change, so that lag stays small."""
        return cls(speed_rad_s=(0.15,) * 6, acceleration_rad_s2=(4.0,) * 6, jerk_rad_s3=(200.0,) * 6)


@attrs.frozen(eq=False)
class Setpoint:
    """Joints (6,) rad, speed rad/s, acceleration rad/s²."""

    joints: Joints
    speed: Joints
    acceleration: Joints

    @property
    def at_rest(self) -> bool:
        """Nothing moves (below 1 µrad/s)."""
        return bool(np.abs(self.speed).max() < 1e-6)


class SetpointStream:
    """The last hop's own memory: where the setpoint is, and the next one towards a target or to a stop.

    Args:
        reach: the arm's joint range and speed.
        limits: must not exceed the arm's.
        start: (6,) rad, where the arm stands still.

    Raises:
        TooFastError: limits above the arm's.
        OutsideRangeError: start outside the range.
    """

    def __init__(self, reach: JointRange, limits: MotionLimits, start: ArrayLike) -> None:
        excess = np.asarray(limits.speed_rad_s) - reach.speed
        if excess.max() > 0:
            joint = int(excess.argmax())
            asked, most = limits.speed_rad_s[joint], float(reach.speed[joint])
            raise TooFastError(
                f"joint {joint + 1}: {asked} rad/s asked, the arm does {most:.3g}", joint=joint + 1, asked=asked, most=most
            )
        self.limits = limits
        self._lower, self._upper = reach.lower + limits.range_margin_rad, reach.upper - limits.range_margin_rad
        self._generator = Ruckig(6, limits.period_s)
        self.setpoint = Setpoint(self._inside(start), np.zeros(6), np.zeros(6))

    def toward(self, target: ArrayLike, speed: ArrayLike | None = None) -> Setpoint:
        """One period towards ``target`` (6,) rad, to pass it with ``speed`` (6,) rad/s (clipped to half the limit; 0 without).

        Raises:
            InvalidJointsError: not finite.
            OutsideRangeError: target outside the range.
        """
        wanted = self._inside(target)
        passing = np.zeros(6) if speed is None else checked_joints(speed)
        most = np.asarray(self.limits.speed_rad_s)
        problem = self._problem(ControlInterface.Position)
        problem.target_position = list(wanted)
        problem.target_velocity = list(np.clip(passing, -0.5 * most, 0.5 * most))
        following = self._advance(problem)
        if following is None or not self._can_brake_from(following):
            return self.brake()
        self.setpoint = following
        return following

    def pursue(self, target: ArrayLike, speed: ArrayLike, rate_per_s: float) -> Setpoint:
        """One period behind a moving target: its speed, and ``rate_per_s`` of the distance to it.

        A target that moves is not aimed at with :meth:`toward`: the quickest way to a place just passed is back.

        Raises:
            InvalidJointsError: not finite.
            OutsideRangeError: target outside the range.
        """
        most = np.asarray(self.limits.speed_rad_s)
        chase = checked_joints(speed) + rate_per_s * (self._inside(target) - self.setpoint.joints)
        problem = self._problem(ControlInterface.Velocity)
        problem.target_velocity = list(np.clip(chase, -most, most))
        following = self._advance(problem)
        if following is None or not self._can_brake_from(following):
            return self.brake()
        self.setpoint = following
        return following

    def brake(self) -> Setpoint:
        """One period of the quickest stop inside the limits."""
        if self.setpoint.at_rest and np.abs(self.setpoint.acceleration).max() < 1e-6:
            self.setpoint = Setpoint(self.setpoint.joints, np.zeros(6), np.zeros(6))
            return self.setpoint
        problem = self._problem(ControlInterface.Velocity)
        problem.target_velocity = [0.0] * 6
        following = self._advance(problem)
        if following is None:
            raise TrajectoryFailedError("no way to brake inside the limits was found", result="brake")
        self.setpoint = following
        return following

    def _inside(self, values: ArrayLike) -> Joints:
        joints = checked_joints(values)
        outside = np.maximum(self._lower - joints, joints - self._upper)
        if outside.max() > 1e-9:
            worst = int(outside.argmax())
            raise OutsideRangeError(
                f"joint {worst + 1} at {joints[worst]:.4f} rad is outside {self._lower[worst]:.4f}…{self._upper[worst]:.4f}",
                joint=worst + 1,
                value_rad=float(joints[worst]),
                lower_rad=float(self._lower[worst]),
                upper_rad=float(self._upper[worst]),
            )
        return joints.copy()

    def _problem(self, interface: ControlInterface, state: Setpoint | None = None) -> InputParameter:
        now = state or self.setpoint
        problem = InputParameter(6)
        problem.control_interface = interface
        problem.synchronization = Synchronization.No
        problem.current_position, problem.current_velocity = list(now.joints), list(now.speed)
        problem.current_acceleration = list(now.acceleration)
        problem.max_velocity, problem.max_acceleration = list(self.limits.speed_rad_s), list(self.limits.acceleration_rad_s2)
        problem.max_jerk = list(self.limits.jerk_rad_s3)
        return problem

    def _advance(self, problem: InputParameter) -> Setpoint | None:
        trajectory = Trajectory(6)  # calculate, not update: update skips its work where the input has not changed
        try:
            if self._generator.calculate(problem, trajectory) not in (Result.Working, Result.Finished):
                return None
        except RuckigError:
            return None
        state = Setpoint(*(np.array(v) for v in trajectory.at_time(self.limits.period_s)[:3]))
        return state if all(np.isfinite(v).all() for v in (state.joints, state.speed, state.acceleration)) else None

    def _can_brake_from(self, state: Setpoint) -> bool:
        # a bound on the way to a stop: keep the acceleration until jerk undoes it, then brake without ever using full jerk twice
        limits = self.limits
        a_max, j_max = np.asarray(limits.acceleration_rad_s2), np.asarray(limits.jerk_rad_s3)
        undo = np.abs(state.acceleration) / j_max
        peak = np.abs(state.speed) + np.abs(state.acceleration) * undo
        way = peak * undo + peak * (peak / a_max + 2 * a_max / j_max)
        roomy = (state.joints - way > self._lower) & (state.joints + way < self._upper)
        if roomy.all():
            return True
        problem = self._problem(ControlInterface.Velocity, state)
        problem.target_velocity = [0.0] * 6
        trajectory = Trajectory(6)
        if self._generator.calculate(problem, trajectory) not in (Result.Working, Result.Finished):
            return False
        extrema = trajectory.position_extrema
        return all(
            lo - 1e-12 <= e.min and e.max <= hi + 1e-12 for e, lo, hi in zip(extrema, self._lower, self._upper, strict=True)
        )


def timed_path(waypoints: ArrayLike, reach: JointRange, limits: MotionLimits) -> Joints:
    """Setpoints (m, 6) rad, one a period, through ``waypoints`` (n, 6): straight in joint space, at rest at each waypoint.

    A corner that is not rounded stays where its collisions were checked.

    Raises:
        InvalidJointsError: not (n, 6) finite numbers.
        OutsideRangeError: a waypoint outside the range.
        TrajectoryFailedError: ruckig refuses.
    """
    points = np.asarray(waypoints, dtype=np.float64)
    if points.ndim != 2 or points.shape[1:] != (6,):
        raise InvalidJointsError(f"waypoints must be (n, 6), got {points.shape}", shape=list(points.shape), values=[])
    rows = [points[:1]]
    for start, end in zip(points[:-1], points[1:], strict=True):
        stream = SetpointStream(reach, limits, start)
        stream._inside(end)
        problem = stream._problem(ControlInterface.Position)
        problem.synchronization = Synchronization.Phase
        problem.target_position = list(end)
        trajectory = Trajectory(6)
        result = stream._generator.calculate(problem, trajectory)
        if result not in (Result.Working, Result.Finished):
            raise TrajectoryFailedError(f"no trajectory between two waypoints: {result}", result=str(result))
        count = max(1, int(np.ceil(trajectory.duration / limits.period_s)))
        times = np.minimum(np.arange(1, count + 1) * limits.period_s, trajectory.duration)
        rows.append(np.array([trajectory.at_time(float(t))[0] for t in times]))
    return np.concatenate(rows)


class AxisRamp:
    """One distance along the tool's axis, mm, that goes to its target inside speed, acceleration and jerk."""

    def __init__(self, position_mm: float, speed_mm_s: float, acceleration_mm_s2: float, period_s: float) -> None:
        self.position, self.speed, self.target = float(position_mm), 0.0, float(position_mm)
        self._acceleration = 0.0
        self._most, self._period_s, self._generator = (speed_mm_s, acceleration_mm_s2), period_s, Ruckig(1)

    def hold(self) -> None:
        """Drop the target and stay."""
        self.speed = self._acceleration = 0.0
        self.target = self.position

    def step(self, move: bool) -> None:
        """One period on the way; brakes where it may not ``move``."""
        problem = InputParameter(1)
        problem.control_interface = ControlInterface.Position if move else ControlInterface.Velocity
        problem.current_position, problem.current_velocity = [self.position], [self.speed]
        problem.current_acceleration = [self._acceleration]
        problem.target_position, problem.target_velocity = [self.target], [0.0]
        problem.max_velocity, problem.max_acceleration = [self._most[0]], [self._most[1]]
        problem.max_jerk = [10 * self._most[1]]
        trajectory = Trajectory(1)
        if self._generator.calculate(problem, trajectory) not in (Result.Working, Result.Finished):
            raise TrajectoryFailedError("no trajectory along the axis", result="axis")
        (self.position,), (self.speed,), (self._acceleration,) = trajectory.at_time(self._period_s)[:3]
