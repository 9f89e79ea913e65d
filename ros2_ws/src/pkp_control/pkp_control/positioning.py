"""The arm's procedure as a state machine: to the stand-off, settle, along the axis, hold on the breathing patient; straight back.

Nothing leaves it but what the guard passes: fresh permit of the one supervisor, this plan, side, epoch and phase, finite, in
limits. What it loses it never takes up again by itself: a new goal is needed, and after its own doubt a newer epoch, which only
a re-arm gives. Single-threaded, explicit monotonic clock in seconds; no ROS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from pkp_supervisor.guard import Command, CommandGuard, GuardAges, Limits, Permit

from pkp_control.arm_config import ArmConfig
from pkp_control.compensation import CompensationState, Compensator, Goal, ToolSample
from pkp_control.compensation import Permit as FollowPermit
from pkp_control.compensation.config import AHEAD_S
from pkp_control.compensation.goal import RearmRefusedError
from pkp_control.goal_checks import forbidden, not_begun
from pkp_control.kinematics import JOINT_NAMES, ArmKinematics, Joints
from pkp_control.limits import MotionLimits
from pkp_control.positioning_types import Order, Outcome, Purpose, Stage
from pkp_control.route import Playback, Route
from pkp_control.standing import Standing
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

LATE_PERIODS = 5
ARRIVE_S = 1.0
TRAIL_S = 0.08
"""Setpoints of so long ago may be where the arm is now: what a servo lags behind, several times."""


class Ways(Protocol):
    """Who looks for ways, elsewhere; the arguments are those of :class:`pkp_control.route.Router`."""

    def approach(
        self, joints: Joints, goal: Goal, skin_mm: float | None, base_from_tracker: RigidTransform, patient: RigidTransform
    ) -> None:
        """Ask for the way to a goal."""
        ...

    def retreat(self, joints: Joints) -> None:
        """Ask for the way back."""
        ...

    def call_off(self) -> None:
        """The last question's answer is not wanted any more."""
        ...

    def answer(self) -> Route | None:
        """The answer, None while there is none; a refusal is raised."""
        ...


class Positioner:
    """See the module.

    Args:
        arm: kinematics, used by this alone. config: see there. tool_from_tip: ``T_robot_ref_guide_tip``.
        ways: see there.
        limits: of free motion.
    """

    def __init__(
        self,
        arm: ArmKinematics,
        config: ArmConfig,
        tool_from_tip: RigidTransform,
        ways: Ways,
        limits: MotionLimits | None = None,
    ) -> None:
        self._arm, self._config, self._tool, self._ways = arm, config, tool_from_tip, ways
        self._limits = limits or MotionLimits()
        self._guard = CommandGuard(Limits(JOINT_NAMES, arm.range.lower, arm.range.upper), GuardAges(permit_s=config.permit_s))
        self._standing = Standing(arm, tool_from_tip, config.locate_samples)
        self.stage, self.reason = Stage.IDLE, ""
        self.base_from_tracker: RigidTransform | None = None
        self.outcomes: deque[Outcome] = deque()
        self.stop_wanted = ""
        self.setpoint: Joints | None = None
        self.joints: Joints | None = None
        self.joints_s = -np.inf
        self.distance_left_mm = 0.0
        self._order: Order | None = None
        self._began_s = self._stage_s = self._arrived_s = -np.inf
        self._latched = -1
        self._sequence = self._ticks = 0
        self._handlers: dict[Stage, Callable[[Order, float], Any]] = {
            Stage.LOCATE: self._locate,
            Stage.PLAN: self._plan,
            Stage.FREE: self._drive,
            Stage.RETREAT: self._drive,
            Stage.SETTLE: self._settle,
            Stage.ADVANCE: self._follow,
            Stage.HOLD: self._follow,
            Stage.BRAKE: self._brake,
        }
        self._let_go()

    @property
    def busy(self) -> bool:
        """A goal is on its way."""
        return self._order is not None and self.stage is not Stage.HOLD

    @property
    def at_rest(self) -> bool:
        """No goal is followed or held."""
        return self._order is None

    @property
    def permit(self) -> Permit | None:
        """The supervisor's newest word."""
        return self._guard.permit

    @property
    def faulty(self) -> bool:
        """A device fault that the supervisor has not yet answered with a stop."""
        permit = self.permit
        return self.stage is Stage.FAULT and (permit is None or permit.epoch <= self._latched)

    def hear(self, permit: Permit) -> None:
        """Take the supervisor's word.

        Raises:
            CommandRefusedError: it is not believed (see ``CommandGuard.hear``).
        """
        self._guard.hear(permit)

    def observe_joints(self, stamp_s: float, joints: Joints, now_s: float) -> None:
        """A joint state; one that is not finite, not newer or from the future is no news, and silence is noticed."""
        if joints.shape != (6,) or not (np.isfinite(joints).all() and np.isfinite(stamp_s)):
            return
        if stamp_s > now_s + AHEAD_S:
            return
        stamp_s = min(stamp_s, now_s)
        if not self.joints_s < stamp_s:
            return
        self.joints, self.joints_s = joints, stamp_s
        self._standing.observe_joints(stamp_s, joints)

    def observe(self, sample: ToolSample, now_s: float) -> None:
        """A tool of one frame of the tracker."""
        if self._compensator is not None:
            self._compensator.observe(sample, now_s)
        else:
            self._standing.observe(sample, now_s)

    def begin(self, order: Order, now_s: float) -> None:
        """Take up a goal, or say in its outcome why not. One that holds its place gives way to the next."""
        refusal = not_begun(
            order, self.stage, self.permit, self._guard.may("motion", now_s), now_s, self.joints_s, self._latched, self._config
        )
        if refusal:
            return self.outcomes.append(Outcome(order.number, *refusal))
        self._let_go()
        self._order, self._began_s, self.reason = order, now_s, ""
        self._standing.forget_poses()
        self._enter(Stage.LOCATE, now_s)

    def cancel(self, number: int, now_s: float) -> None:
        """The goal is not wanted any more: brake, and rest."""
        if self._order is not None and self._order.number == number and self.busy:
            self._end(Stage.IDLE, "cancelled", "called off", now_s)

    def doubt(self, reason: str, now_s: float) -> None:
        """Something outside is not as it was (registration, person): brake and stay paused, if a goal is under way."""
        if self._order is not None:
            self._end(Stage.PAUSED, "paused", reason, now_s)

    def doubt_registration(self, reason: str, now_s: float) -> None:
        """The registration that an approach stands on is gone; a withdrawal needs none."""
        if self._order is not None and self._order.purpose is Purpose.APPROACH:
            self.doubt(reason, now_s)

    def fault(self, reason: str, now_s: float) -> None:
        """The arm itself is not as it should be: silent at once."""
        if self._order is not None:
            self._end(Stage.FAULT, "fault", reason, now_s)

    def quit(self, reason: str) -> None:
        """Silent at once and at rest (the node ends or is deactivated)."""
        self._drop("ended", reason)

    def step(self, now_s: float) -> Joints | None:
        """The setpoint (6,) rad to send now, or None for silence. Once a period."""
        order = self._order
        if order is None:
            if self.base_from_tracker is None and self._now_and_then():
                self.base_from_tracker = self._standing.tracker()
            return None
        why = forbidden(order, self.permit, self._guard.may("motion", now_s))
        if why:
            self._drop(*why)
            return None
        if not 0.0 <= now_s - self.joints_s <= self._config.joints_stale_s:
            self.fault(f"newest joint state is {now_s - self.joints_s:.3f} s old", now_s)
            return None
        if self.busy and self.stage is not Stage.BRAKE and now_s - self._began_s > order.timeout_s:
            self._end(Stage.IDLE, "timeout", f"not there after {order.timeout_s:g} s, in {self.stage}", now_s)
            if self._order is None:
                return None
        try:
            wanted = self._handlers[self.stage](order, now_s)
            if wanted is None or self._order is None:
                return None
            self._sequence += 1
            command = Command("motion", wanted, self._sequence, order.epoch, order.plan_hash, order.side, now_s)
            self.setpoint = np.array(self._guard.check(command, now_s))
        except PkpError as error:
            self._latch(order)
            self._drop(error.code, error.message, Stage.PAUSED)
            self.stop_wanted = error.message
            return None
        self._trail.append((now_s, self.setpoint))
        return self.setpoint

    # each stage: the setpoint, or None

    def _locate(self, order: Order, now_s: float) -> None:
        missing = self._standing.missing(now_s)
        if order.purpose is Purpose.WITHDRAW:
            missing = "" if self._standing.still else "the arm does not stand"
        if missing:
            if now_s - self._stage_s > self._config.wait_s:
                self._drop("not_seen", f"{missing} within {self._config.wait_s:g} s")
            return
        joints = self._standing.joints
        if order.purpose is Purpose.WITHDRAW:
            self._ways.retreat(joints)
        else:
            located, patient, goal = self._standing.tracker(), self._standing.patient(), order.goal
            assert located is not None
            assert goal is not None
            self.base_from_tracker = located
            self._ways.approach(joints, goal, order.skin_mm, located, patient)
        self._enter(Stage.PLAN, now_s)

    def _plan(self, order: Order, now_s: float) -> None:
        try:
            route = self._ways.answer()
        except PkpError as error:
            return self._drop(error.code, error.message)
        if route is None:
            return None
        assert self.joints is not None
        if np.abs(self.joints - route.rows[0]).max() > 0.002:
            return self._drop("moved", "the arm was moved while a way was looked for")
        self._route, self._playback = route, Playback(route.rows, self._limits.period_s)
        self._end_mm = self._arm.tip_matrix(route.rows[-1])[:3, 3].copy()
        self._enter(Stage.RETREAT if order.purpose is Purpose.WITHDRAW else Stage.FREE, now_s)

    def _drive(self, order: Order, now_s: float) -> Joints | None:
        assert self._playback is not None
        assert self.joints is not None
        if self._lags(now_s):
            return None
        self.distance_left_mm = float(np.linalg.norm(self._arm.tip_matrix(self.joints)[:3, 3] - self._end_mm))
        if not self._playback.done:
            return self._playback.step()
        last = self._playback.rows[-1]
        if np.abs(self.joints - last).max() > 0.002:  # the servo is still on its way
            self._arrived_s = min(self._arrived_s, now_s)
            if now_s - self._arrived_s > ARRIVE_S:
                self.fault("the arm does not come to the end of its way", now_s)
                return None
            return np.asarray(last)
        if order.purpose is Purpose.WITHDRAW:
            self.distance_left_mm = 0.0
            self._drop("", "")
            return None
        self._settle_anew()
        self._enter(Stage.SETTLE, now_s)
        return np.asarray(last)

    def _settle(self, order: Order, now_s: float) -> Joints | None:
        compensator = self._compensator
        assert compensator is not None
        setpoint = compensator.step(now_s, self.joints_s, self._heard()).joints
        if compensator.reason != "never enabled":
            self.reason = compensator.reason
            self._settle_anew()
        elif self._now_and_then():
            try:
                compensator.enable(FollowPermit("supervisor", order.registered_s, order.plan_hash), now_s, setpoint)
            except RearmRefusedError as error:
                self.reason = error.message
        if compensator.state is CompensationState.ENABLED:
            self.reason = ""
            deviation = compensator.deviation_mm()
            if not deviation <= self._config.start_deviation_mm:
                self.doubt(f"the guide is {deviation:.1f} mm from the path: the patient moved, or the camera", now_s)
            else:
                compensator.advance(0.0)
                self._enter(Stage.ADVANCE, now_s)
        elif now_s - self._stage_s > self._config.wait_s:
            self.doubt(f"no steady poses at the stand-off: {self.reason}", now_s)
        return setpoint

    def _follow(self, order: Order, now_s: float) -> Joints | None:
        compensator = self._compensator
        assert compensator is not None
        setpoint = compensator.step(now_s, self.joints_s, self._heard()).joints
        if compensator.state is not CompensationState.ENABLED:
            (self.fault if compensator.state is CompensationState.FAULT else self.doubt)(compensator.reason, now_s)
            return setpoint if self.stage is Stage.BRAKE else None
        self.distance_left_mm = compensator.depth_left_mm
        if self.stage is Stage.ADVANCE:
            there = compensator.depth_left_mm < 1e-3 and compensator.deviation_mm() <= compensator.config.advance_tolerance_mm
            self._arrived_s = min(self._arrived_s, now_s) if there else np.inf
            if now_s - self._arrived_s >= self._config.settled_s:
                self.outcomes.append(Outcome(order.number, "", "", *compensator.errors()))
                self._enter(Stage.HOLD, now_s)
            elif now_s - self._stage_s > self._config.arrive_s:
                self.doubt(f"not at the place after {self._config.arrive_s:g} s", now_s)
        return setpoint

    def _brake(self, order: Order, now_s: float) -> Joints | None:
        if self._compensator is not None:
            setpoint = self._compensator.step(now_s, self.joints_s, self._heard())
            joints, rests = setpoint.joints, setpoint.at_rest
        elif self._playback is not None:
            joints, rests = self._playback.step(), self._playback.done
        else:
            joints, rests = None, True
        if rests:
            self._rest(self._then)
        return joints if not rests else None

    # what ends a goal

    def _end(self, then: Stage, code: str, message: str, now_s: float) -> None:
        order = self._order
        assert order is not None
        if self.stage is Stage.BRAKE and then is not Stage.FAULT:
            return
        if self.busy and self.stage is not Stage.BRAKE:
            self.outcomes.append(Outcome(order.number, code, message))
        self.reason = message
        if then in (Stage.PAUSED, Stage.FAULT):
            self._latch(order)
            self.stop_wanted = message if then is Stage.PAUSED else ""
        moving = self._compensator is not None or self._playback is not None
        if then is Stage.FAULT or not moving:
            return self._rest(then)
        if self._compensator is not None:
            self._compensator.stop(message, now_s)
        elif self._playback is not None:
            self._playback.brake()
        self._then = then
        self._enter(Stage.BRAKE, now_s)

    def _drop(self, code: str, message: str, then: Stage = Stage.IDLE) -> None:
        """Silent from now on; tells whoever waits for the goal."""
        if self._order is not None and self.busy and self.stage is not Stage.BRAKE:
            self.outcomes.append(Outcome(self._order.number, code, message))
        self.reason = message
        self._rest(self._then if self.stage is Stage.BRAKE else then)

    def _rest(self, then: Stage) -> None:
        self.stage = then
        self._let_go()

    def _let_go(self) -> None:
        self._ways.call_off()
        self._order: Order | None = None
        self._route: Route | None = None
        self._playback: Playback | None = None
        self._compensator: Compensator | None = None
        self._then = Stage.IDLE
        self._late, self._trail = 0, deque[tuple[float, Joints]](maxlen=64)

    def _latch(self, order: Order) -> None:
        self._latched = max(self._latched, order.epoch)

    def _enter(self, stage: Stage, now_s: float) -> None:
        self.stage, self._stage_s, self._arrived_s = stage, now_s, np.inf

    def _heard(self) -> Joints:
        assert self.joints is not None
        return self.joints

    def _settle_anew(self) -> None:
        assert self._route is not None
        assert self._route.goal is not None
        assert self.base_from_tracker is not None
        self._compensator = Compensator(
            self._arm,
            self._route.goal,
            self.base_from_tracker,
            self._tool,
            self._route.rows[-1],
            self._config.standoff_mm,
            self._config.compensation,
        )

    def _now_and_then(self) -> bool:
        """Every sixteenth period: for what need not be asked 125 times a second."""
        self._ticks += 1
        return self._ticks % 16 == 0

    def _lags(self, now_s: float) -> bool:
        joints = self._heard()
        recent = [q for sent_s, q in self._trail if sent_s >= now_s - TRAIL_S]
        if not recent:
            return False
        behind = min(float(np.abs(joints - q).max()) for q in recent)
        self._late = self._late + 1 if behind > self._config.free_lag_rad else 0
        if self._late < LATE_PERIODS:
            return False
        self.fault(f"the arm is {behind:.4f} rad off its way: stopped or blocked", now_s)
        return True
