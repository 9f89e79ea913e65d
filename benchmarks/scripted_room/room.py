"""The scripted room as one node."""

from __future__ import annotations

import math
import time
from pathlib import Path

import attrs
import rclpy
from pkp_lifecycle import names
from pkp_msgs import msg
from pkp_supervisor import events, translate
from pkp_supervisor.phases import Phase

from benchmarks.scripted_room.desk import Desk
from benchmarks.scripted_room.goals import Goals, ct_of
from benchmarks.scripted_room.scene import Scene
from benchmarks.scripted_room.syringe import Syringe
from planning_core.case.revisions import open_plan

STILL_S = 1.0
ARM_S, SAY_S = 0.05, 0.1


class ScriptedRoom:
    """See the package.

    Args:
        case: with a sealed plan. rate_hz: of tracker, verification and injector.
    """

    def __init__(self, case: Path, rate_hz: float = 30.0, verbose: bool = False) -> None:
        self.node = rclpy.create_node("scripted_room")
        self._case, self._verbose, self._count = case, verbose, 0
        plan = open_plan(case)
        self._desk = Desk(self.node, verbose)
        self._scene = Scene(self.node, plan, self._desk.stamp)
        self._syringe = Syringe(self._switched)
        self._goals = Goals(self.node, self._desk, self._scene, self._syringe, plan)
        self._verified_since: float | None = None
        self._verification = self.node.create_publisher(msg.VerificationState, names.VERIFICATION, 10)
        self._injector = self.node.create_publisher(msg.InjectorState, names.INJECTOR, 10)
        self._recorder = self.node.create_publisher(msg.RecorderState, names.RECORDER, 10)
        self.node.create_subscription(msg.HoldToRun, names.HOLD_TO_RUN, self._syringe.hear, 10)
        self.node.create_timer(1 / rate_hz, self._tick)
        self.node.create_timer(ARM_S, self._scene.say_arm)
        self.node.create_timer(SAY_S, self._say)

    def jump(self, phase: str) -> None:
        """Begin somewhere in the middle, with everything before it done."""
        to, plan, desk = Phase[phase.upper()], self._goals.plan, self._desk
        sides = tuple(dict.fromkeys(p.side for p in plan.paths))
        desk.state = attrs.evolve(
            desk.state,
            phase=to,
            plan=events.PlanSeen(str(self._case), plan.plan_hash, plan.level, sides, ct_of(plan)),
            approved_by="script",
            ct_sha256=ct_of(plan),
            registered_s=time.monotonic(),
        )
        if to >= Phase.APPROACH:
            desk.state = attrs.evolve(desk.state, side=sides[0], inserted=to >= Phase.INJECT)
            self._scene.gap_mm, self._scene.off_mm = 0.0, 0.5
        self._goals.say_plan(translate.plan_message(desk.state))
        self._goals.say_registered()

    def _switched(self, pressed: bool) -> None:
        if self._verbose:
            print(f"switch {'down' if pressed else 'up'}", flush=True)

    def _say(self) -> None:
        self._desk.say()
        recorder = msg.RecorderState(recording=True, file="record_0000.mcap", messages=self._count, topics=24)
        recorder.header.stamp = self._desk.stamp()
        self._recorder.publish(recorder)

    def _tick(self) -> None:
        self._count += 1
        self._goals.work()
        self._scene.say_tools(self._count)
        self._say_verification(time.monotonic())
        self._syringe.live()
        state = self._desk.state
        said = self._syringe.state(state.side, self._count, translate.plan_message(state), self._desk.stamp())
        self._injector.publish(said)
        self._desk.take_quietly(translate.delivery(said))

    def _say_verification(self, now: float) -> None:
        desk, off_mm = self._desk, self._scene.off_mm
        if not desk.state.side or self._goals.registered is None:
            return
        plan = translate.plan_message(desk.state)
        seen = msg.VerificationState(plan=plan, side=desk.state.side, frame_number=self._count, hold_required=STILL_S)
        seen.header.stamp, seen.header.frame_id = desk.stamp(), "patient_ref"
        seen.entry_error, seen.target_error = off_mm * 0.8e-3, off_mm * 1e-3
        seen.angle_error = math.radians(off_mm * 0.2)
        self._verified_since = (self._verified_since or now) if off_mm < 1.0 else None
        held = 0.0 if self._verified_since is None else now - self._verified_since
        seen.held = min(held, STILL_S)
        seen.state = seen.VERIFIED if held >= STILL_S else seen.HOLDING if held > 0 else seen.NOT_VERIFIED
        self._verification.publish(seen)
        desk.take_quietly(translate.verification(seen, lambda s: now))
