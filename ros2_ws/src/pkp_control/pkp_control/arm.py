"""The arm node: goals, permits, joints and poses in; guarded setpoints, states and transforms out.

Two threads: the ticker's, 125 times a second, which takes joints, poses and permits from the middleware by itself and alone
touches the positioning; the executor's, for goals and what is told to others. Ways are looked for in a process of its own.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from geometry_msgs.msg import PoseStamped
from pkp_lifecycle import names
from pkp_lifecycle.goals import conclude, not_yet
from pkp_lifecycle.node import KEPT, LATEST, PkpNode
from pkp_lifecycle.node import main as run
from pkp_lifecycle.polled import Polled, unspun
from pkp_lifecycle.stop import StopAsker
from pkp_lifecycle.units import metres
from pkp_msgs.action import Approach
from pkp_msgs.msg import OperatingState, RegistrationResult, StateCommand, ToolPoseArray
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from tf2_msgs.msg import TFMessage

from pkp_control import arm_messages as translate
from pkp_control.arm_config import ArmConfig
from pkp_control.arm_state import operating_state
from pkp_control.compensation import TOOL
from pkp_control.kinematics import PLATE, TIP, ArmKinematics
from pkp_control.limits import MotionLimits
from pkp_control.links import Links
from pkp_control.planned_path import path_of, planned_goal
from pkp_control.positioning import Order, Outcome, Positioner, Purpose
from pkp_control.ticker import Ticker, in_words, taken_as_of
from pkp_control.way_process import WayProcess
from planning_core.case.revisions import open_plan
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

PURPOSES = {Approach.Goal.APPROACH: Purpose.APPROACH, Approach.Goal.WITHDRAW: Purpose.WITHDRAW}
STATE_S, POSE_S = 0.05, 0.05


class Arm(PkpNode[ArmConfig]):
    """See the module."""

    NAME, CONFIG = "arm", ArmConfig
    URGENT = 22

    def open(self) -> None:
        """Load the description, offer everything; nothing moves."""
        config, limits = self.config, MotionLimits()
        arm = ArmKinematics.load(config.model, **config.description)
        tip_on_flange, plate = arm.flange_from(TIP), arm.flange_from(PLATE)
        tool_from_tip = RigidTransform(TOOL, TIP, (plate.inverse() @ tip_on_flange).matrix)
        self._seen = ArmKinematics.load(config.model, **config.description)  # the executor's own
        self._links = Links(self._seen)
        self._ways = WayProcess(config, limits)
        self._positioner = Positioner(arm, config, tool_from_tip, self._ways, limits)
        self._inbox: deque[Callable[[float], None]] = deque()
        self._numbers = itertools.count(1)
        self._registration: tuple[str, RigidTransform, float] | None = None
        self._registered_s = -math.inf  # stamp of the newest word about a registration
        self._waiting: dict[int, tuple[ServerGoalHandle, float]] = {}
        self._located: RigidTransform | None = None
        self._period_s = limits.period_s
        self._frame_s: float | None = None
        self._ages_s: deque[float] = deque(maxlen=8192)
        self._publish()
        self._listen()
        self._say_static()

    def begin(self) -> None:
        """Drive from now on; knows nothing, moves nothing, waits for a goal under the present epoch."""
        self._ticker = Ticker(self._period_s, self._tick, lambda: self._positioner.at_rest)
        self._ticker.start()

    def halt(self) -> None:
        """Silent at once."""
        self._ticker.end()
        self.get_logger().info(f"{self._ticker.punctuality()}; camera's exposure to setpoint {in_words(self._ages_s)}")
        self._positioner.quit("the arm node was deactivated")
        self._finish()
        self._inbox.clear()
        for number in tuple(self._waiting):  # a goal that never came out of the inbox
            self._conclude(Outcome(number, "not_active", "the arm node was deactivated"))

    def close(self) -> None:
        """Let go."""
        for undo in getattr(self, "_made", ()):
            undo()
        if getattr(self, "_made", ()):
            self._ways.end()
        self._made: list[Callable[[], Any]] = []

    def _publish(self) -> None:
        self._command = self.create_publisher(Float64MultiArray, names.JOINT_COMMANDS, 8)
        self._state = self.create_publisher(OperatingState, names.ARM_STATE, 10)
        self._measured_js = self.create_publisher(JointState, names.ARM_MEASURED_JS, LATEST)
        self._measured_cp = self.create_publisher(PoseStamped, names.ARM_MEASURED_CP, LATEST)
        self._setpoint_cp = self.create_publisher(PoseStamped, names.ARM_SETPOINT_CP, LATEST)
        self._tf = self.create_publisher(TFMessage, "/tf", 10)
        self._tf_static = self.create_publisher(TFMessage, "/tf_static", KEPT)
        self._description = self.create_publisher(String, names.ROBOT_DESCRIPTION, KEPT)
        self._asker = StopAsker(self)
        self._description.publish(String(data=self._seen.description))

    def _listen(self) -> None:
        loop = unspun(self.get_name())
        self._joint_states = Polled(loop, JointState, names.JOINT_STATES, LATEST)
        self._tools = Polled(loop, ToolPoseArray, names.TOOLS, 10)
        self._commands = Polled(loop, StateCommand, names.STATE_COMMAND, LATEST)
        registration = self.create_subscription(RegistrationResult, names.REGISTRATION, self._on_registration, 10)
        timers = [self.create_timer(STATE_S, self._say_state), self.create_timer(POSE_S, self._say_poses)]
        server = ActionServer(
            self,
            Approach,
            names.APPROACH,
            not_yet,
            handle_accepted_callback=self._accepted,
            goal_callback=lambda goal: GoalResponse.ACCEPT if self.active else GoalResponse.REJECT,
            cancel_callback=lambda handle: CancelResponse.ACCEPT,
        )
        publishers = (
            *(self._command, self._state, self._measured_js, self._measured_cp, self._setpoint_cp),
            *(self._tf, self._tf_static, self._description),
        )
        self._made = [
            server.destroy,
            *(lambda t=t: self.destroy_timer(t) for t in timers),
            *(polled.destroy for polled in (self._joint_states, self._tools, self._commands)),
            loop.destroy_node,
            lambda: self.destroy_subscription(registration),
            *(lambda p=p: self.destroy_publisher(p) for p in publishers),
            self._asker.destroy,
        ]

    # the ticker's thread

    def _tick(self, now_s: float) -> None:
        positioner = self._positioner
        try:
            self._hear(now_s)
            setpoint = positioner.step(now_s)
        except Exception as error:  # whatever it was: the arm must not go on, and the supervisor must hear of it
            self.get_logger().error(f"positioning failed: {error!r}")
            positioner.fault(f"positioning failed: {error!r}", now_s)
            return
        if setpoint is not None:
            self._command.publish(Float64MultiArray(data=setpoint.tolist()))
            if self._frame_s is not None:
                self._ages_s.append(time.monotonic() - self._frame_s)
        self._frame_s = None

    def _hear(self, now_s: float) -> None:
        positioner = self._positioner
        for command in self._commands.take():
            # what lay in the queue while this thread was held up is as old as its stamp says
            heard_s = min(now_s, self.monotonic_of(command.header.stamp))
            try:
                positioner.hear(translate.permit(command, heard_s))
            except PkpError as error:
                self.get_logger().warning(f"state command refused: {error.message}", throttle_duration_sec=1.0)
        for state in self._joint_states.take():
            values = translate.joints(state)
            if values is not None:
                positioner.observe_joints(self.monotonic_of(state.header.stamp), values, now_s)
        for frame in self._tools.take():
            self._frame_s = taken_as_of(self.monotonic_of(frame.header.stamp), now_s, time.monotonic())
            for sample in translate.samples(frame, self._frame_s):
                positioner.observe(sample, now_s)
        while self._inbox:
            self._inbox.popleft()(now_s)

    # the executor's thread

    def _on_registration(self, result: RegistrationResult) -> None:
        transform, before, now_s = translate.registration(result), self._registration, time.monotonic()
        stamp_s = self.monotonic_of(result.header.stamp)
        if not result.accepted or transform is None:
            self._registration, self._registered_s = None, max(self._registered_s, min(stamp_s, now_s))
            self._doubt("the registration was refused")
            return
        if not translate.newer(stamp_s, self._registered_s, now_s):
            return  # one of before: what was refused or measured since counts
        self._registered_s = stamp_s
        self._registration = (result.plan.plan_hash, transform, stamp_s)
        if before is not None and abs(before[1].matrix - transform.matrix).max() > 1e-6:
            self._doubt("the registration is another one")

    def _doubt(self, reason: str) -> None:
        if self.active:
            self._inbox.append(lambda now_s: self._positioner.doubt_registration(reason, now_s))

    def _accepted(self, handle: ServerGoalHandle) -> None:
        number = next(self._numbers)
        self._waiting[number] = handle, time.monotonic()
        try:
            order = self._order(number, handle.request)
        except PkpError as error:
            return self._conclude(Outcome(number, error.code, error.message))
        if not self.active:
            return self._conclude(Outcome(number, "not_active", "the arm node is not active"))
        self._inbox.append(lambda now_s: self._positioner.begin(order, now_s))

    def _conclude(self, outcome: Outcome) -> None:
        if outcome.number not in self._waiting:
            return
        handle, _ = self._waiting.pop(outcome.number)
        result = Approach.Result(error_code=outcome.code, error_msg=outcome.message, angle_error=outcome.angle_rad)
        result.entry_error, result.target_error = metres(outcome.entry_mm), metres(outcome.target_mm)
        self.get_logger().info(f"goal {outcome.number}: {outcome.code or 'reached'} {outcome.message}")
        called_off = handle.canceled if handle.is_cancel_requested else handle.abort
        conclude(handle, result, called_off if outcome.code else handle.succeed)

    def _order(self, number: int, goal: Approach.Goal) -> Order:
        purpose = PURPOSES.get(goal.purpose)
        if purpose is None:
            raise PkpError(f"no purpose {goal.purpose}")
        timeout_s = goal.timeout or self.config.timeout_s
        order = Order(number, purpose, goal.plan.plan_hash, goal.side, goal.epoch, timeout_s)
        registered = self._registration
        if purpose is Purpose.WITHDRAW or registered is None or registered[0] != goal.plan.plan_hash:
            return order  # without a goal; an approach is then refused by name
        plan = open_plan(Path(goal.plan.case_path), goal.plan.plan_hash)
        held = planned_goal(plan, goal.side, registered[1], self.config.guide)
        known = path_of(plan, goal.side).skin_mm is not None
        skin_mm = self.config.skin_clearance_mm if known else None
        return attrs.evolve(order, goal=held, skin_mm=skin_mm, registered_s=registered[2])

    def _finish(self) -> None:
        """Tell those who wait how their goals ended, and the supervisor that the arm stopped by itself."""
        positioner = self._positioner
        while positioner.outcomes:
            self._conclude(positioner.outcomes.popleft())
        if positioner.stop_wanted:
            self._asker.ask(positioner.stop_wanted)

    def _say_state(self) -> None:
        positioner, now_s = self._positioner, time.monotonic()
        self._finish()
        self._state.publish(operating_state(positioner, now_s, self.config.permit_s, self.active, self.stamp()))
        stale = now_s - positioner.joints_s > 5 * self.config.joints_stale_s
        self.unhealthy = "no joint states" if self.active and stale else ""
        for number, (handle, began_s) in self._waiting.items():
            if handle.is_cancel_requested:
                self._inbox.append(lambda now_s, number=number: positioner.cancel(number, now_s))
            left, elapsed = metres(positioner.distance_left_mm), now_s - began_s
            handle.publish_feedback(Approach.Feedback(stage=positioner.stage.value, distance_left=left, elapsed=elapsed))
        if positioner.base_from_tracker is not self._located:
            self._located = positioner.base_from_tracker
            self._say_static()

    def _say_poses(self) -> None:
        positioner, stamp = self._positioner, self.stamp()
        joints = positioner.joints
        if joints is None or not self.active or time.monotonic() - positioner.joints_s > self.config.joints_stale_s:
            return
        self._measured_js.publish(translate.joint_state(joints, stamp))
        self._measured_cp.publish(translate.pose_stamped(self._seen.forward(joints), stamp))
        self._tf.publish(TFMessage(transforms=[translate.transform_stamped(t, stamp) for t in self._links.moving(joints)]))
        if positioner.setpoint is not None and positioner.busy:
            self._setpoint_cp.publish(translate.pose_stamped(self._seen.forward(positioner.setpoint), stamp))

    def _say_static(self) -> None:
        stamp = self.stamp()
        fixed = [*self._links.fixed(), *([] if self._located is None else [self._located])]
        self._tf_static.publish(TFMessage(transforms=[translate.transform_stamped(t, stamp) for t in fixed]))


def main() -> int:
    """Run the node."""
    return run(Arm)


if __name__ == "__main__":
    raise SystemExit(main())
