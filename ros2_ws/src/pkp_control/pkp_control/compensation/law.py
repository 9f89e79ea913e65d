"""Live compensation: the patient's tracked pose in, a joint setpoint out, 125 times a second, until something is doubtful.

The law. With B = T_robot_base_tracker, P = T_tracker_patient_ref, D = T_patient_ref_guide_tip (the plan) and F(q) the nominal
forward kinematics, the true tip is F(q) X, X being everything the model does not know (joint zeros, lengths, flange, the error of
B). X is *measured*: X = F(q at the stamp)⁻¹ B T_tracker_robot_ref T_robot_ref_guide_tip, averaged. The setpoint solves

    F(q) X = B P(now + lag) D(depth)

with P predicted by a Kalman filter (constant velocity: Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking
and Navigation, 2001, ch. 6) from stamped, delayed poses. Because X is identified and fed forward, not integrated, the loop cannot
wind up. Both are held at a point half way along the pin's path, so that the noise of angles does not act over the marker's lever.
Every pause latches; only :meth:`Compensator.enable` ends it.
"""

from __future__ import annotations

import itertools
from collections import deque

import numpy as np
import pinocchio as pin
from numpy.typing import ArrayLike

from pkp_control.compensation.config import AHEAD_S, CompensationConfig
from pkp_control.compensation.estimation import ConstantVelocity, SlowMean, Vector
from pkp_control.compensation.goal import PATIENT, TOOL, TRACKER, CompensationState, Goal, Permit, RearmRefusedError
from pkp_control.compensation.watch import ToolSample, Watch
from pkp_control.kinematics import BASE, TIP, ArmKinematics, InvalidJointsError, InverseNotFoundError, Joints, checked_joints
from pkp_control.lag import Lag
from pkp_control.limits import AxisRamp, MotionLimits, OutsideRangeError, Setpoint, SetpointStream, TrajectoryFailedError
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform


class Compensator:
    """The compensation law with its latch. Single-threaded; the clock is the caller's, in seconds.

    Args:
        arm: nominal or calibrated kinematics.
        goal: what to hold.
        base_from_tracker: ``T_robot_base_tracker`` as known; a wrong one is corrected at the path, not far from it.
        tool_from_tip: ``T_robot_ref_guide_tip`` from the guide's calibration.
        joints: (6,) rad, where the arm stands.
        standoff_mm: how far back on the axis the tip begins.
        config, limits: see there.
    """

    def __init__(
        self,
        arm: ArmKinematics,
        goal: Goal,
        base_from_tracker: RigidTransform,
        tool_from_tip: RigidTransform,
        joints: ArrayLike,
        standoff_mm: float = 0.0,
        config: CompensationConfig | None = None,
        limits: MotionLimits | None = None,
    ) -> None:
        for transform, dst, src in (
            (goal.patient_from_tip, PATIENT, TIP),
            (base_from_tracker, BASE, TRACKER),
            (tool_from_tip, TOOL, TIP),
        ):
            if (transform.dst, transform.src) != (dst, src):
                raise InputError(f"T_{dst}_{src} is needed, got T_{transform.dst}_{transform.src}")
        self.arm, self.goal, self.config = arm, goal, config or CompensationConfig()
        self.limits = limits or MotionLimits.following()
        self.state, self.reason = CompensationState.DISABLED, "never enabled"
        self._base, self._tool = base_from_tracker.matrix, tool_from_tip.matrix
        self._plan = goal.patient_from_tip.matrix
        self._middle = goal.point_on_tool
        self._stream = SetpointStream(arm.range, self.limits, joints)
        self._ramp = AxisRamp(standoff_mm, self.config.advance_mm_s, self.config.advance_mm_s2, self.limits.period_s)
        self._history: deque[tuple[float, Joints]] = deque(maxlen=128)
        self._lag = Lag(self.config.arm_lag_rad)
        self._now_s = self._clock_s = self._stopped_s = -np.inf
        self._forget()

    @property
    def depth_left_mm(self) -> float:
        """How far the tip still stands back on its axis."""
        return self._ramp.position

    def advance(self, standoff_mm: float) -> None:
        """Let the tip go along its axis to ``standoff_mm`` (0: the planned place); only while enabled and on its path."""
        if not np.isfinite(standoff_mm) or standoff_mm < 0:
            raise InputError(f"the stand-off must be finite and not negative, got {standoff_mm}", standoff_mm=repr(standoff_mm))
        self._ramp.target = float(standoff_mm)

    def stop(self, reason: str, now_s: float) -> None:
        """Stop for a reason from outside (safety, arm's protective stop), in any state; it latches."""
        self._note(now_s)
        self._pause(reason)

    def enable(self, permit: Permit, now_s: float, joints: ArrayLike) -> None:
        """Start or re-start following from ``joints`` (6,) rad, where the arm stands now.

        Raises:
            RearmRefusedError: names all that is missing.
            InvalidJointsError, OutsideRangeError: the joints.
        """
        config, reasons = self.config, []
        start = checked_joints(joints)
        if self.state is CompensationState.ENABLED:
            reasons.append("already enabled")
        if not np.isfinite(now_s):
            reasons.append("the clock is not a number")
        if not permit.acknowledged_by.strip():
            reasons.append("no operator acknowledged")
        if not 0 <= now_s - permit.registration_checked_s <= config.registration_age_s:
            reasons.append(f"registration was not checked within {config.registration_age_s:g} s")
        if permit.registration_checked_s < self._stopped_s:
            reasons.append("registration was not checked since the last stop")
        if permit.plan_hash != self.goal.plan_hash:
            reasons.append("another plan")
        for name, watch in self._watch.items():
            if not now_s - watch.good_s <= config.stale_s:
                reasons.append(f"{name} is not seen now")
            elif watch.count < config.settle_samples:
                reasons.append(f"{name}: {watch.count} of {config.settle_samples} poses")
        if not self._stream.setpoint.at_rest:
            reasons.append("still braking")
        if reasons:
            raise RearmRefusedError("not enabled: " + "; ".join(reasons), reasons=reasons)
        self._stream = SetpointStream(self.arm.range, self.limits, start)
        self._ramp.hold()
        self._began, self._reference, self._now_s = start, (self._point.at(now_s), self._turned(now_s)), now_s
        self._lag = Lag(config.arm_lag_rad)
        self._solution = start
        self.state, self.reason = CompensationState.ENABLED, ""

    def observe(self, sample: ToolSample, now_s: float) -> None:
        """Take one tool of one frame. Doubtful samples are left out; a reason to stop pauses."""
        watch = self._watch.get(sample.tool)
        if watch is None or not np.isfinite(now_s):
            return
        self._note(now_s)
        pose = sample.pose
        if pose is not None and (pose.dst, pose.src) != (TRACKER, sample.tool):
            return self._pause(f"{sample.tool}: pose is T_{pose.dst}_{pose.src}")
        if sample.tool == PATIENT:
            self._observe_patient(watch, sample, now_s)
        else:
            self._observe_tool(watch, sample, now_s)

    def step(self, now_s: float, stamp_s: float, joints: ArrayLike) -> Setpoint:
        """The setpoint of this period. Call once a period, in every state.

        Args:
            now_s: the clock.
            stamp_s: when ``joints`` were measured.
            joints: (6,) rad, the arm's.
        """
        self._note(now_s)
        try:
            measured = checked_joints(joints)
        except InvalidJointsError as error:
            self._pause(error.message, CompensationState.FAULT)
            return self._stream.brake()
        if np.isfinite(stamp_s) and (not self._history or stamp_s > self._history[-1][0]):
            self._history.append((float(stamp_s), measured))
        if self.state is not CompensationState.ENABLED:
            return self._stream.brake()
        self._check(now_s, stamp_s, measured)
        if self.state is not CompensationState.ENABLED:
            return self._stream.brake()
        self._now_s = now_s
        ahead = now_s + self.config.actuation_lag_s
        try:
            self._ramp.step(move=self.deviation_mm() <= self.config.advance_tolerance_mm)
            here = self.arm.inverse_matrix_near(self._wanted(ahead, 0.0), self._solution, most_steps=8)
            next_one = self.arm.inverse_matrix_near(self._wanted(ahead, self.limits.period_s), here, most_steps=8)
            if np.abs(here - self._began).max() > self.config.correction_rad:
                self._pause(f"correction beyond {self.config.correction_rad:g} rad", CompensationState.FAULT)
                return self._stream.brake()
            self._solution = here
            return self._stream.pursue(here, (next_one - here) / self.limits.period_s, self.config.pursuit_per_s)
        except (InverseNotFoundError, OutsideRangeError, TrajectoryFailedError, InvalidJointsError) as error:
            self._pause(error.message, CompensationState.FAULT)
            return self._stream.brake()

    def deviation_mm(self) -> float:
        """Estimated distance of the tool's mid-path point from its wanted place, by the newest filtered measurements."""
        if not self._history:
            return np.inf
        tip, wanted = self._tip_and_wanted()
        return float(np.linalg.norm(((tip - wanted) @ _point(self._middle))[:3]))

    def errors(self) -> tuple[float, float, float]:
        """The same at the path's entry and target, mm, and between the axes, rad; infinite before joints were heard."""
        if not self._history:
            return np.inf, np.inf, np.inf
        tip, wanted = self._tip_and_wanted()
        entry, target = (
            float(np.linalg.norm(((tip - wanted) @ _point(np.array([0.0, 0.0, depth])))[:3]))
            for depth in (self.goal.entry_mm, self.goal.target_mm)
        )
        angle = float(np.arctan2(np.linalg.norm(np.cross(tip[:3, 2], wanted[:3, 2])), tip[:3, 2] @ wanted[:3, 2]))
        return entry, target, angle

    def _tip_and_wanted(self) -> tuple[Vector, Vector]:
        stamp_s, joints = self._history[-1]
        return self.arm.tip_matrix(joints) @ self._unknown(), self._wanted_true(stamp_s, 0.0)

    def _observe_patient(self, watch: Watch, sample: ToolSample, now_s: float) -> None:
        config, point = self.config, None
        distance = None
        if sample.pose is not None:
            point = (sample.pose.matrix @ self._plan @ _point(self._middle))[:3]
            if watch.count:
                distance = float(np.linalg.norm(point - self._point.at(sample.stamp_s)))
        good, reason = watch.doubt(sample, now_s, distance)
        if reason:
            return self._pause(reason)
        if not good or sample.pose is None or point is None:
            return
        if self._zero is None:
            self._zero = sample.pose.rotation
        self._point.update(point, sample.stamp_s)
        self._turn.update(_vector(sample.pose.rotation @ self._zero.T), sample.stamp_s)
        if self.state is not CompensationState.ENABLED:
            return
        travel = float(np.linalg.norm(self._point.value - self._reference[0]))
        turned = np.rad2deg(float(np.linalg.norm(self._turn.value - self._reference[1])))
        speed = float(np.linalg.norm(self._point.speed))
        if travel > config.travel_mm or turned > config.travel_deg:
            self._pause(
                f"patient moved by {travel:.1f} mm and {turned:.1f}°: {config.travel_mm} mm and {config.travel_deg}° are followed"
            )
        elif speed > config.patient_speed_mm_s:
            self._pause(f"patient moves at {speed:.0f} mm/s: {config.patient_speed_mm_s:g} mm/s is followed")

    def _observe_tool(self, watch: Watch, sample: ToolSample, now_s: float) -> None:
        config = self.config
        joints = self._joints_at(sample.stamp_s)
        error = turn = distance = None
        if sample.pose is not None and joints is not None:
            model = self.arm.tip_matrix(joints)
            unknown = np.linalg.inv(model) @ self._base @ sample.pose.matrix @ self._tool
            error = (unknown @ _point(self._middle))[:3] - self._middle
            turn = _vector(unknown[:3, :3])
            distance = float(np.linalg.norm(error - self._error.value)) if watch.count else None
        good, reason = watch.doubt(sample, now_s, distance)
        if reason:
            return self._pause(reason)
        if not good or error is None or turn is None or joints is None:
            return
        here = self.arm.tip_matrix(joints)[:3, 3]
        travelled = 0.0 if self._seen_at is None else float(np.linalg.norm(here - self._seen_at))
        self._seen_at = here
        self._error.update(error, sample.stamp_s, travelled)
        self._twist.update(turn, sample.stamp_s, travelled)
        size, angle = float(np.linalg.norm(self._error.value)), np.rad2deg(float(np.linalg.norm(self._twist.value)))
        if size > config.tool_error_mm or angle > config.tool_error_deg:
            self._pause(
                f"the tracker sees the tip {size:.1f} mm and {angle:.1f}° from where the arm has it: calibration is wrong",
                CompensationState.FAULT,
            )

    def _check(self, now_s: float, stamp_s: float, measured: Joints) -> None:
        config, fault = self.config, CompensationState.FAULT
        if not np.isfinite(now_s) or not self._now_s <= now_s <= self._now_s + config.stale_s:
            return self._pause(f"the clock went from {self._now_s:.3f} to {now_s} s", fault)
        if not -AHEAD_S <= now_s - stamp_s <= config.stale_s:
            return self._pause(f"joint state of {stamp_s} s is not fresh at {now_s:.3f} s", fault)
        for name, watch in self._watch.items():
            if now_s - watch.good_s > config.stale_s:
                return self._pause(f"{name}: no good pose for {now_s - watch.good_s:.3f} s")
        self._lag.sent(now_s, self._stream.setpoint.joints)
        behind = self._lag.too_much(stamp_s, measured)
        if behind is not None:
            self._pause(f"the arm is {behind:.4f} rad behind its setpoint", fault)

    def _pause(self, reason: str, state: CompensationState = CompensationState.PAUSED) -> None:
        """Latch; forget the goal along the axis and all that was believed, so that re-arming starts from fresh poses."""
        if self.state is CompensationState.ENABLED:
            self.state, self.reason = state, reason
        elif self.state is CompensationState.DISABLED:
            self.reason = reason
        self._stopped_s = self._clock_s
        self._ramp.hold()
        self._forget()

    def _note(self, now_s: float) -> None:
        if np.isfinite(now_s):
            self._clock_s = max(self._clock_s, now_s)

    def _forget(self) -> None:
        config = self.config
        self._watch = {PATIENT: Watch(config), TOOL: Watch(config)}
        self._point = ConstantVelocity(config.patient_mm_s2, config.point_noise_mm)
        self._turn = ConstantVelocity(config.patient_rad_s2, config.turn_noise_rad)
        self._error = SlowMean(config, config.point_noise_mm)
        self._twist = SlowMean(config, config.turn_noise_rad)
        self._zero: Vector | None = None
        self._seen_at: Vector | None = None
        self._reference = (np.zeros(3), np.zeros(3))
        self._began = self._solution = self._stream.setpoint.joints

    def _turned(self, time_s: float) -> Vector:
        return self._turn.at(time_s)

    def _wanted_true(self, time_s: float, further_s: float) -> Vector:
        """(4, 4) robot_base ← guide_tip as it should truly be."""
        zero = np.eye(3) if self._zero is None else self._zero
        rotation = pin.exp3(self._turned(time_s + further_s)) @ zero
        patient_tip = rotation @ self._plan[:3, :3]
        pose = np.eye(4)
        pose[:3, :3] = patient_tip
        # the path's middle is expected there; the tip lies before it on the axis, further by the stand-off
        before = self._middle + [0.0, 0.0, self._ramp.position + self._ramp.speed * further_s]
        pose[:3, 3] = self._point.at(time_s + further_s) - patient_tip @ before
        return self._base @ pose

    def _unknown(self) -> Vector:
        matrix = np.eye(4)
        matrix[:3, :3] = pin.exp3(self._twist.value)
        matrix[:3, 3] = self._middle + self._error.value - matrix[:3, :3] @ self._middle
        return matrix

    def _wanted(self, time_s: float, further_s: float) -> Vector:
        return self._wanted_true(time_s, further_s) @ np.linalg.inv(self._unknown())

    def _joints_at(self, time_s: float) -> Joints | None:
        if len(self._history) < 2 or not self._history[0][0] <= time_s <= self._history[-1][0]:
            return None
        later = self._history[-1]
        for earlier in itertools.islice(reversed(self._history), 1, None):
            if earlier[0] <= time_s:
                share = (time_s - earlier[0]) / (later[0] - earlier[0])
                return earlier[1] + (later[1] - earlier[1]) * share
            later = earlier
        return None


def _point(vector: Vector) -> Vector:
    return np.append(vector, 1.0)


def _vector(rotation: Vector) -> Vector:
    return np.asarray(pin.log3(rotation))
