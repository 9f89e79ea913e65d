"""The arm's procedure as a state machine: to the stand-off, settle, along the axis, hold on the breathing patient; straight back.

Nothing leaves it but what the guard passes: fresh permit of the one supervisor, this plan, side, epoch and phase, finite, in
limits. What it loses it never takes up again by itself: a new goal is needed, and after its own doubt a newer epoch, which only
a re-arm gives. Single-threaded, explicit monotonic clock in seconds; no ROS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from pkp_supervisor.guard import Command, CommandGuard, GuardAges, Limits, Permit

from pkp_control.arm_config import ArmConfig
from pkp_control.compensation import Permit as FollowPermit
from pkp_control.compensation import ToolSample
from pkp_control.compensation.config import AHEAD_S
from pkp_control.drive import Drive, Period
from pkp_control.following import Following
from pkp_control.goal_checks import forbidden, not_begun
from pkp_control.kinematics import JOINT_NAMES, ArmKinematics, Joints
from pkp_control.limits import MotionLimits
from pkp_control.positioning_types import Order, Outcome, Purpose, Stage
from pkp_control.route import Route, Ways, begun_at
from pkp_control.standing import Standing
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform


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
        self.setpoint: Joints | None = None
        self.joints: Joints | None = None
        self.joints_s = -np.inf
        self.distance_left_mm = 0.0
        self._order: Order | None = None
        self._began_s = self._stage_s = self._arrived_s = -np.inf
        self._latched, self._why_latched = -1, ""
        self._sequence = self._ticks = 0
        self._handlers: dict[Stage, Callable[[Order, float], Any]] = {
            Stage.LOCATE: self._locate,
            Stage.PLAN: self._plan,
            Stage.FREE: self._drive_on,
            Stage.RETREAT: self._drive_on,
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
        return self.stage is Stage.FAULT and self._unanswered

    @property
    def stop_wanted(self) -> str:
        """Why the arm stopped by itself, until the supervisor has answered with a stop; a device fault is told by ``faulty``."""
        return self._why_latched if self._unanswered and self.stage is not Stage.FAULT else ""

    @property
    def _unanswered(self) -> bool:
        permit = self.permit
        return permit is None or permit.epoch <= self._latched

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
        if self._following is not None:
            self._following.observe(sample, now_s)
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
            self._forbid(order, *why, now_s)
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
            self._latch(order, error.message)
            self._drop(error.code, error.message, Stage.PAUSED)
            return None
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
        rows = begun_at(route.rows, self.joints, self._limits.period_s)
        self._drive = Drive(self._arm, rows, self._limits.period_s, self._config.free_lag_rad)
        self._route = route
        self._enter(Stage.RETREAT if order.purpose is Purpose.WITHDRAW else Stage.FREE, now_s)

    def _drive_on(self, order: Order, now_s: float) -> Joints | None:
        assert self._drive is not None
        joints = self._heard()
        self.distance_left_mm = self._drive.left_mm(joints)
        period = self._drive.step(now_s, self.joints_s, joints)
        if period.fault:
            self.fault(period.fault, now_s)
        elif period.done and order.purpose is Purpose.WITHDRAW:
            self.distance_left_mm = 0.0
            self._drop("", "")
        elif period.done:
            self._begin_to_follow()
            self._enter(Stage.SETTLE, now_s)
        return period.setpoint if self._order is not None else None

    def _settle(self, order: Order, now_s: float) -> Joints | None:
        following = self._following
        assert following is not None
        permit = FollowPermit("supervisor", order.registered_s, order.plan_hash) if self._now_and_then() else None
        period = following.settle(now_s, self.joints_s, self._heard(), permit)
        self.reason = following.reason
        if period.doubt:
            self.doubt(period.doubt, now_s)
        elif period.done:
            self._enter(Stage.ADVANCE, now_s)
        elif now_s - self._stage_s > self._config.wait_s:
            self.doubt(f"no steady poses at the stand-off: {self.reason}", now_s)
        return period.setpoint

    def _follow(self, order: Order, now_s: float) -> Joints | None:
        following = self._following
        assert following is not None
        period = following.step(now_s, self.joints_s, self._heard())
        if period.fault or period.doubt:
            (self.fault if period.fault else self.doubt)(period.fault or period.doubt, now_s)
            return period.setpoint if self.stage is Stage.BRAKE else None
        self.distance_left_mm = following.left_mm
        if self.stage is Stage.ADVANCE:
            self._arrived_s = min(self._arrived_s, now_s) if following.there else np.inf
            if now_s - self._arrived_s >= self._config.settled_s:
                self.outcomes.append(Outcome(order.number, "", "", *following.errors()))
                self._enter(Stage.HOLD, now_s)
            elif now_s - self._stage_s > self._config.arrive_s:
                self.doubt(f"not at the place after {self._config.arrive_s:g} s", now_s)
        return period.setpoint

    def _brake(self, order: Order, now_s: float) -> Joints | None:
        if self._following is not None:
            period = self._following.slow(now_s, self.joints_s, self._heard())
        elif self._drive is not None:
            period = self._drive.slow()
        else:
            period = Period(None, done=True)
        if not period.done:
            return period.setpoint
        self._rest(self._then)
        return None

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
            self._latch(order, message)
        if then is Stage.FAULT or (self._following is None and self._drive is None):
            return self._rest(then)
        if self._following is not None:
            self._following.brake(message, now_s)
        elif self._drive is not None:
            self._drive.brake()
        self._then = then
        self._enter(Stage.BRAKE, now_s)

    def _forbid(self, order: Order, code: str, message: str, now_s: float) -> None:
        """The supervisor's word ends the goal; its silence does too, and is a stop that it has to hear of when it is back."""
        permit = self.permit
        silent_s = np.inf if permit is None else now_s - permit.heard_s
        if not silent_s > self._config.permit_s:
            return self._drop(code, message)
        message = f"the supervisor was last heard {silent_s:.3f} s ago"
        self._latch(order, message)
        self._drop(code, message, Stage.PAUSED)

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
        self._drive: Drive | None = None
        self._following: Following | None = None
        self._then = Stage.IDLE

    def _latch(self, order: Order, why: str) -> None:
        self._latched, self._why_latched = max(self._latched, order.epoch), why

    def _enter(self, stage: Stage, now_s: float) -> None:
        self.stage, self._stage_s, self._arrived_s = stage, now_s, np.inf

    def _heard(self) -> Joints:
        assert self.joints is not None
        return self.joints

    def _begin_to_follow(self) -> None:
        route, located = self._route, self.base_from_tracker
        assert route is not None
        assert route.goal is not None
        assert located is not None
        self._following = Following(self._arm, route.goal, located, self._tool, route.rows[-1], self._config)

    def _now_and_then(self) -> bool:
        """Every sixteenth period: for what need not be asked 125 times a second."""
        self._ticks += 1
        return self._ticks % 16 == 0
