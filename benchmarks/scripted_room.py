"""A room in one process, played by a script: every topic, service and action that the console touches, and no device.

The workflow is the supervisor's own table; poses, delivery and breath are made up. For tests and measurements of the console.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import rclpy
from pkp_control.arm_messages import transform_stamped
from pkp_control.kinematics import PLATE, TIP, ArmKinematics
from pkp_control.links import Links
from pkp_lifecycle import names
from pkp_lifecycle.executor import quick_executor
from pkp_lifecycle.goals import conclude, not_yet
from pkp_lifecycle.node import KEPT
from pkp_lifecycle.units import metres
from pkp_msgs import msg, srv
from pkp_msgs.action import Approach, IngestCt, Inject, PlanCase, Register
from pkp_navigation.register_messages import along
from pkp_supervisor import events, translate
from pkp_supervisor.phases import INTERLOCKS, Phase
from pkp_supervisor.state import Freshness, State
from pkp_supervisor.workflow import step
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.executors import ExternalShutdownException
from scipy.spatial.transform import Rotation
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from planning_core.case.revisions import open_plan
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

MODEL = "ur5"
POSTURE = np.array([-1.74, -1.75, 2.05, -1.87, -1.57, 0.0])
Goal = Generator[None, None, tuple[Any, Callable[[], None]]]
"""A goal's work, a step at each turn of a timer; ends with its result and how the goal ends."""
BREATH_MM, BREATH_S, FLOW_ML_S, PRESS_S, STILL_S = 4.0, 4.0, 0.06, 0.25, 1.0


def invert(transform: RigidTransform) -> RigidTransform:
    """The other way round."""
    return transform.inverse()


class ScriptedRoom:
    """See the module.

    Args:
        plan: and its case, that the planner opens. rate_hz: of tracker, verification and injector; TF of the arm goes at 20 Hz.
    """

    def __init__(self, case: Path, rate_hz: float = 30.0, verbose: bool = False) -> None:
        self.node = rclpy.create_node("scripted_room")
        self._case, self.plan, self._verbose = case, open_plan(case), verbose
        self.state, self._fresh = State(silent=()), Freshness()
        self.stops: list[str] = []
        self._began, self._count, self._off_mm, self._gap_mm = time.monotonic(), 0, 3.0, 60.0
        self._press: tuple[msg.HoldToRun, float] | None = None
        self.pressed: list[tuple[float, bool]] = []
        self._dose, self._given, self._total, self._kpa, self._mixed_s = 0.0, 0.0, 0.0, 0.0, time.monotonic() - 240
        self._injecting = False
        self._verified_since: float | None = None
        self._registered: msg.RegistrationResult | None = None
        self._working: list[tuple[Any, Goal]] = []
        self._arrange()
        self._offer()
        self.node.create_timer(1 / rate_hz, self._tick)
        self.node.create_timer(0.05, self._tick_arm)
        self.node.create_timer(0.1, self._say)
        self.node.create_timer(1 / rate_hz, self._work)

    def _arrange(self) -> None:
        """Where things are: the path lies where the guide points, breath lifts the patient."""
        arm = ArmKinematics.load(MODEL)
        self._links = Links(arm)
        self._description = arm.description
        base = arm.world_from_base
        self._world_tip = base @ arm.forward(POSTURE, TIP)
        self._world_plate = base @ arm.forward(POSTURE, PLATE)
        looking = Rotation.from_euler("xyz", [np.pi / 2 + 0.75, 0, np.pi]).as_matrix()
        self._world_tracker = RigidTransform.from_parts("world", "tracker", looking, [350.0, 1100.0, 1050.0])
        self._base_tracker = base.inverse() @ self._world_tracker
        path = self._path("left") or self.plan.paths[0]
        turn = along(np.array(path.target_mm) - np.array(path.entry_mm))
        entry = RigidTransform.from_parts("ct_lps", "entry", turn, path.entry_mm)
        ahead = RigidTransform.from_parts("guide_tip", "entry", np.eye(3), [0, 0, 40.0])
        self._world_ct = self._world_tip @ ahead @ entry.inverse()
        at = self._world_ct.apply(np.array([path.entry_mm]))[0] + np.array([90.0, 0.0, 35.0])
        self._world_patient = RigidTransform.from_parts("world", "patient_ref", np.eye(3), at)

    def _path(self, side: str) -> Any:
        return next((p for p in self.plan.paths if p.side == side), None)

    def _offer(self) -> None:
        node, publisher = self.node, self.node.create_publisher
        self._phase = publisher(msg.ProcedurePhase, names.PHASE, KEPT)
        self._safety = publisher(msg.SafetyState, names.SAFETY, KEPT)
        self._verification = publisher(msg.VerificationState, names.VERIFICATION, 10)
        self._injector = publisher(msg.InjectorState, names.INJECTOR, 10)
        self._operating = {
            "arm": publisher(msg.OperatingState, names.ARM_STATE, 10),
            "injector": publisher(msg.OperatingState, names.INJECTOR_STATE, 10),
        }
        self._tools = publisher(msg.ToolPoseArray, names.TOOLS, 10)
        self._recorder = publisher(msg.RecorderState, names.RECORDER, 10)
        self._registration = publisher(msg.RegistrationResult, names.REGISTRATION, KEPT)
        self._ct = publisher(msg.CtReference, names.CT, KEPT)
        self._plan = publisher(msg.PlanReference, names.PLAN, KEPT)
        self._tf, self._tf_static = publisher(TFMessage, "/tf", 10), publisher(TFMessage, "/tf_static", KEPT)
        self._urdf = publisher(String, names.ROBOT_DESCRIPTION, KEPT)
        self._urdf.publish(String(data=self._description))
        self._say_fixed([])
        node.create_subscription(msg.HoldToRun, names.HOLD_TO_RUN, self._on_switch, 10)
        node.create_service(srv.Stop, names.STOP, self._on_stop)
        for kind, name, event in (
            (srv.Approve, names.APPROVE, translate.approved),
            (srv.Acknowledge, names.ACKNOWLEDGE, translate.acknowledge),
            (srv.Rearm, names.REARM, translate.rearm),
            (srv.ConfirmInsertion, names.CONFIRM_INSERTION, translate.insertion),
            (srv.Advance, names.ADVANCE, translate.advance),
        ):
            node.create_service(kind, name, self._decision(event))
        for action, name, work in (
            (IngestCt, names.INGEST_CT, self._ingest),
            (PlanCase, names.PLAN_CASE, self._open),
            (Register, names.REGISTER, self._register),
            (Approach, names.APPROACH, self._approach),
            (Inject, names.INJECT, self._inject),
        ):
            ActionServer(
                node,
                action,
                name,
                not_yet,
                goal_callback=lambda goal: GoalResponse.ACCEPT,
                handle_accepted_callback=lambda handle, work=work: self._working.append((handle, work(handle))),
                cancel_callback=lambda goal: CancelResponse.ACCEPT,
            )

    def _work(self) -> None:
        """Every goal a step further."""
        for one in list(self._working):
            handle, work = one
            try:
                next(work)
            except StopIteration as end:
                self._working.remove(one)
                conclude(handle, *end.value)

    def take(self, event: events.Event) -> PkpError | None:
        """One event of the workflow."""
        try:
            self.state = step(self.state, event, time.monotonic(), self._fresh)
        except PkpError as error:
            return error
        self._say()
        return None

    def _decision(self, to_event: Any) -> Any:
        def decide(request: Any, response: Any) -> Any:
            refusal = self.take(to_event(request))
            if hasattr(response, "waits_for") and refusal is not None:
                response.waits_for = list(refusal.data.get("waits_for", ()))
            if hasattr(response, "phase"):
                response.phase = int(self.state.phase)
            return translate.answered(response, refusal)

        return decide

    def _on_stop(self, request: Any, response: Any) -> Any:
        self.stops.append(f"{request.source}: {request.reason}")
        self.take(events.Stop(request.source, request.reason))
        response.epoch = self.state.epoch
        if self._verbose:
            print(f"stop {self.stops[-1]}", flush=True)
        return response

    def _on_switch(self, word: msg.HoldToRun) -> None:
        self._press = word, time.monotonic()
        if not self.pressed or self.pressed[-1][1] != word.pressed:
            self.pressed.append((time.monotonic(), word.pressed))
            if self._verbose:
                print(f"switch {'down' if word.pressed else 'up'}", flush=True)

    def _ingest(self, handle: Any) -> Goal:
        yield from self._for(0.5, handle, lambda left: IngestCt.Feedback(stage="read", elapsed=0.5 - left))
        ct = msg.CtReference(source=handle.request.source, ct_sha256=self.plan.ct_sha256 or "0" * 64)
        ct.header.stamp = self._stamp()
        self._ct.publish(ct)
        self.take(translate.ct(ct))
        return IngestCt.Result(ct=ct), handle.succeed

    def _open(self, handle: Any) -> Goal:
        self.plan = open_plan(Path(handle.request.case_path))
        self._case = Path(handle.request.case_path)
        self._arrange()
        sides = list(dict.fromkeys(p.side for p in self.plan.paths))
        plan = msg.PlanReference(case_path=str(self._case), plan_hash=self.plan.plan_hash, level=self.plan.level, sides=sides)
        self._plan.publish(plan)
        self.take(translate.plan(plan))
        yield
        result = PlanCase.Result(plan=plan, verdict=self.plan.verdict, recommended_volume=self.plan.recommended_ml * 1e-6)
        return result, handle.succeed

    def _register(self, handle: Any) -> Goal:
        for stage in ("waiting for the scan", "reading", "beads", "touch the check point", "judging"):
            yield from self._for(
                0.4, handle, lambda left, stage=stage: Register.Feedback(stage=stage, poses_used=40, elapsed=left)
            )
        result = self.registration()
        self._registration.publish(result)
        self._registered = result
        self._say_fixed([invert(self._world_patient) @ self._world_ct])
        self.take(translate.registration(result, lambda stamp: time.monotonic()))
        return Register.Result(registration=result), handle.succeed

    def registration(self, accepted: bool = True) -> msg.RegistrationResult:
        """As a registration comes out."""
        made = msg.RegistrationResult(
            plan=translate.plan_message(self.state), method="plate", fiducials_used=9, fiducials_rejected=1, accepted=accepted
        )
        made.header.stamp, made.header.frame_id = self._stamp(), "patient_ref"
        made.fiducial_rms, made.check_point_error, made.check_point_limit = 0.31e-3, 0.74e-3, 1.5e-3
        if not accepted:
            made.error_code, made.error_msg = "refused", "the check point is 2.9 mm off, 1.5 mm are allowed"
        reference_ct = invert(self._world_patient) @ self._world_ct
        for path in {p.side: p for p in reversed(self.plan.paths)}.values():
            error = msg.TargetError(header=made.header, side=path.side, rms=0.62e-3, bound_95=1.12e-3)
            x, y, z = reference_ct.apply(np.array([path.target_mm]))[0]
            error.target.x, error.target.y, error.target.z = metres(x), metres(y), metres(z)
            error.covariance = (np.diag([0.16, 0.09, 0.13]) * 1e-6).ravel().tolist()
            made.target_errors.append(error)
        return made

    def _approach(self, handle: Any) -> Goal:
        out = handle.request.purpose == Approach.Goal.WITHDRAW
        epoch = self.state.epoch

        def feedback(left: float) -> Any:
            share = left / 2.0
            self._gap_mm = 60.0 * (1 - share if out else share)
            self._off_mm = 3.0 if out else 0.4 + 2.6 * share
            return Approach.Feedback(stage="withdraw" if out else "follow", distance_left=self._gap_mm * 1e-3, elapsed=2 - left)

        yield from self._for(2.0, handle, feedback)
        if self.state.epoch != epoch or handle.is_cancel_requested:
            return Approach.Result(error_code="stopped", error_msg="a stop ended it"), handle.abort
        return Approach.Result(entry_error=0.3e-3, target_error=0.4e-3, angle_error=0.004), handle.succeed

    def _inject(self, handle: Any) -> Goal:
        goal, epoch = handle.request, self.state.epoch
        self._dose, self._given, self._injecting = goal.volume * 1e6, 0.0, True
        self._mixed_s = time.monotonic() - (time.time() - goal.mixed_at.sec)
        told = last = time.monotonic()
        while self._given < self._dose and self.state.epoch == epoch and not handle.is_cancel_requested:
            now = time.monotonic()
            flowing = self._flowing(goal.side, epoch, now)
            self._given = min(self._dose, self._given + (FLOW_ML_S * (now - last) if flowing else 0.0))
            self._kpa += ((500 + 450 * self._given if flowing else 0.0) - self._kpa) * min(1.0, (now - last) / 1.2)
            last = now
            if now - told > 0.1:
                told = now
                handle.publish_feedback(Inject.Feedback(delivered_volume=self._given * 1e-6, pressure=self._kpa * 1e3))
            yield
        self._injecting, self._kpa = False, 0.0
        self._total += self._given
        done = self._given >= self._dose
        result = Inject.Result(delivered_volume=self._given * 1e-6)
        if not done:
            result.error_code, result.error_msg = "given_up", "it was called off"
        return result, handle.succeed if done else handle.abort

    def _flowing(self, side: str, epoch: int, now: float) -> bool:
        if self._press is None:
            return False
        word, heard = self._press
        return word.pressed and (word.side, word.epoch) == (side, epoch) and now - heard < PRESS_S

    def _for(self, seconds: float, handle: Any, feedback: Any) -> Iterator[None]:
        """A while, with feedback ten times a second."""
        until, told = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < until and not self.state.latched and not handle.is_cancel_requested:
            if now - told > 0.1:
                told = now
                handle.publish_feedback(feedback(until - now))
            yield

    def _stamp(self) -> Any:
        return self.node.get_clock().now().to_msg()

    def _say(self) -> None:
        now, now_s = self._stamp(), time.monotonic()
        needs = INTERLOCKS[self.state.phase].needs
        self._safety.publish(translate.safety_state(self.state, (), now_s, self._fresh, now))
        self._phase.publish(translate.procedure_phase(self.state, now_s, self._fresh, now))
        for name, publisher in self._operating.items():
            state = msg.OperatingState(device=name, state=msg.OperatingState.ENABLED, is_homed=True, epoch=self.state.epoch)
            state.is_busy = name in needs
            state.header.stamp = now
            publisher.publish(state)
        recorder = msg.RecorderState(recording=True, file="record_0000.mcap", messages=self._count, topics=24)
        recorder.header.stamp = now
        self._recorder.publish(recorder)

    def _say_fixed(self, more: list[RigidTransform]) -> None:
        stamp = self._stamp()
        parts = [*self._links.fixed(), self._base_tracker, *more]
        self._tf_static.publish(TFMessage(transforms=[transform_stamped(t, stamp) for t in parts]))

    def _tick_arm(self) -> None:
        stamp = self._stamp()
        self._tf.publish(TFMessage(transforms=[transform_stamped(t, stamp) for t in self._links.moving(POSTURE)]))

    def _tick(self) -> None:
        self._count += 1
        now, stamp = time.monotonic(), self._stamp()
        t = now - self._began
        breath = RigidTransform.from_parts(
            "world", "world", np.eye(3), [0, 0, BREATH_MM * (math.sin(math.pi * t / BREATH_S) ** 2)]
        )
        tracker = invert(self._world_tracker)
        off = [self._off_mm * math.cos(t / 2), self._off_mm * math.sin(t / 2), -self._gap_mm]
        wobble = RigidTransform.from_parts(
            PLATE, PLATE, Rotation.from_euler("x", self._off_mm * 0.2, degrees=True).as_matrix(), off
        )
        poses = {
            "patient_ref": tracker @ breath @ self._world_patient,
            "robot_ref": tracker @ breath @ self._world_plate @ wobble,
        }
        self._say_tools(poses, stamp)
        self._say_verification(stamp, now)
        self._say_injector(stamp, now)

    def _say_tools(self, poses: dict[str, RigidTransform], stamp: Any) -> None:
        tools = msg.ToolPoseArray(frame_number=self._count)
        tools.header.stamp, tools.header.frame_id = stamp, "tracker"
        sent = []
        for name in ("patient_ref", "robot_ref", "probe_tip"):
            tool = msg.ToolPose(header=tools.header, tool=name, frame_number=self._count, rms=0.12e-3)
            if name in poses:
                pose = poses[name]
                tool.status = msg.ToolPose.OK
                named = transform_stamped(RigidTransform("tracker", name, pose.matrix), stamp)
                place, turn = named.transform.translation, named.transform.rotation
                tool.pose.position.x, tool.pose.position.y, tool.pose.position.z = place.x, place.y, place.z
                tool.pose.orientation = turn
                sent.append(named)
            else:
                tool.status = msg.ToolPose.MISSING
            tools.tools.append(tool)
        self._tools.publish(tools)
        self._tf.publish(TFMessage(transforms=sent))

    def _say_verification(self, stamp: Any, now: float) -> None:
        if not self.state.side or self._registered is None:
            return
        seen = msg.VerificationState(plan=translate.plan_message(self.state), side=self.state.side, frame_number=self._count)
        seen.header.stamp, seen.header.frame_id = stamp, "patient_ref"
        seen.entry_error, seen.target_error = self._off_mm * 0.8e-3, self._off_mm * 1e-3
        seen.angle_error, seen.hold_required = math.radians(self._off_mm * 0.2), STILL_S
        within = self._off_mm < 1.0
        self._verified_since = (self._verified_since or now) if within else None
        held = 0.0 if self._verified_since is None else now - self._verified_since
        seen.held = min(held, STILL_S)
        seen.state = seen.VERIFIED if held >= STILL_S else seen.HOLDING if held > 0 else seen.NOT_VERIFIED
        self._verification.publish(seen)
        self.take_quietly(translate.verification(seen, lambda s: now))

    def take_quietly(self, event: events.Event) -> None:
        """One event that says itself ten times a second anyway."""
        self.state = step(self.state, event, time.monotonic(), self._fresh)

    def _say_injector(self, stamp: Any, now: float) -> None:
        state = msg.InjectorState(side=self.state.side, sequence=self._count, plan=translate.plan_message(self.state))
        state.header.stamp = stamp
        flowing = self._injecting and self._flowing(self.state.side, self.state.epoch, now)
        state.state = state.IDLE
        if self._injecting:
            state.state = state.INJECTING if flowing else state.HOLDING if self._given > 0 else state.READY
        elif self._given:
            state.state = state.DONE
        state.commanded_volume, state.delivered_volume = self._dose * 1e-6, self._given * 1e-6
        state.total_volume = (self._total + (self._given if self._injecting else 0.0)) * 1e-6
        state.flow = FLOW_ML_S * 1e-6 if flowing else 0.0
        state.pressure, state.temperature, state.cement_age = self._kpa * 1e3, 295.1, now - self._mixed_s
        state.viscosity = 620.0
        self._injector.publish(state)
        self.take_quietly(translate.delivery(state))

    def jump(self, phase: str) -> None:
        """Begin somewhere in the middle, with everything before it done."""
        to = Phase[phase.upper()]
        reference = events.PlanSeen(
            str(self._case), self.plan.plan_hash, self.plan.level, tuple(dict.fromkeys(p.side for p in self.plan.paths))
        )
        now = time.monotonic()
        self.state = attrs.evolve(
            self.state,
            phase=to,
            plan=reference,
            approved_by="script",
            ct_sha256=self.plan.ct_sha256 or "0" * 64,
            registered_s=now,
        )
        if to >= Phase.APPROACH:
            self.state = attrs.evolve(self.state, side=reference.sides[0], inserted=to >= Phase.INJECT)
            self._gap_mm, self._off_mm = 0.0, 0.5
        self._plan.publish(translate.plan_message(self.state))
        self._registered = self.registration()
        self._registration.publish(self._registered)
        self._say_fixed([invert(self._world_patient) @ self._world_ct])


def main(arguments: list[str] | None = None) -> int:
    """Play until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--phase", default="")
    given = parser.parse_args(arguments)
    rclpy.init()
    room = ScriptedRoom(given.case.resolve(), given.rate, verbose=True)
    if given.phase:
        room.jump(given.phase)
    executor = quick_executor()
    executor.add_node(room.node)
    print("ready", flush=True)
    with contextlib.suppress(ExternalShutdownException, KeyboardInterrupt):
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
