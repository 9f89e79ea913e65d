"""What the scripted room's nodes do for a goal: a step at each turn of a timer, with feedback ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from pkp_lifecycle import names
from pkp_lifecycle.goals import conclude, not_yet
from pkp_lifecycle.node import KEPT
from pkp_msgs import msg
from pkp_msgs.action import Approach, IngestCt, Inject, PlanCase, Register
from pkp_supervisor import translate
from rclpy.action import ActionServer, CancelResponse, GoalResponse

from benchmarks.scripted_room.desk import Desk
from benchmarks.scripted_room.scene import Scene
from benchmarks.scripted_room.syringe import Syringe
from planning_core.case.plan import Plan
from planning_core.case.revisions import open_plan

Goal = Generator[None, None, tuple[Any, Callable[[], None]]]
"""A goal's work; ends with its result and how the goal ends."""
FAR_MM, FAR_OFF_MM, NEAR_OFF_MM, WAY_S, TELL_S = 60.0, 3.0, 0.4, 2.0, 0.1
STAGES = ("waiting for the scan", "reading", "beads", "touch the check point", "judging")


def ct_of(plan: Plan) -> str:
    """Hash of the CT that a plan was made on; of none, where it was made on labels alone: the room scans whatever is planned."""
    return plan.ct_sha256 or "0" * 64


class Goals:
    """All actions of the room."""

    def __init__(self, node: Any, desk: Desk, scene: Scene, syringe: Syringe, plan: Plan) -> None:
        self._node, self._desk, self._scene, self._syringe, self.plan = node, desk, scene, syringe, plan
        self._working: list[tuple[Any, Goal]] = []
        self.registered: msg.RegistrationResult | None = None
        self._ct = node.create_publisher(msg.CtReference, names.CT, KEPT)
        self._plan = node.create_publisher(msg.PlanReference, names.PLAN, KEPT)
        self._registration = node.create_publisher(msg.RegistrationResult, names.REGISTRATION, KEPT)
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

    def work(self) -> None:
        """Every goal a step further."""
        for one in list(self._working):
            handle, work = one
            try:
                next(work)
            except StopIteration as end:
                self._working.remove(one)
                conclude(handle, *end.value)

    def say_registered(self) -> None:
        """An accepted registration of the plan in hand."""
        self.registered = self._scene.registration(self.plan, translate.plan_message(self._desk.state))
        self._registration.publish(self.registered)
        self._scene.say_registered()

    def say_plan(self, reference: msg.PlanReference) -> None:
        """The plan in hand."""
        self._plan.publish(reference)

    def _ingest(self, handle: Any) -> Goal:
        yield from self._for(0.5, handle, lambda left: IngestCt.Feedback(stage="read", elapsed=0.5 - left))
        ct = msg.CtReference(source=handle.request.source, ct_sha256=ct_of(self.plan))
        ct.header.stamp = self._desk.stamp()
        self._ct.publish(ct)
        self._desk.take(translate.ct(ct))
        return IngestCt.Result(ct=ct), handle.succeed

    def _open(self, handle: Any) -> Goal:
        case = Path(handle.request.case_path)
        self.plan = open_plan(case)
        self._scene.arrange(self.plan)
        sides = list(dict.fromkeys(p.side for p in self.plan.paths))
        facts = {"plan_hash": self.plan.plan_hash, "level": self.plan.level, "ct_sha256": ct_of(self.plan)}
        plan = msg.PlanReference(case_path=str(case), sides=sides, **facts)
        self.say_plan(plan)
        self._desk.take(translate.plan(plan))
        yield
        result = PlanCase.Result(plan=plan, verdict=self.plan.verdict, recommended_volume=self.plan.recommended_ml * 1e-6)
        return result, handle.succeed

    def _register(self, handle: Any) -> Goal:
        for stage in STAGES:
            yield from self._for(
                0.4, handle, lambda left, stage=stage: Register.Feedback(stage=stage, poses_used=40, elapsed=left)
            )
        self.say_registered()
        assert self.registered is not None
        self._desk.take(translate.registration(self.registered, lambda stamp: time.monotonic()))
        return Register.Result(registration=self.registered), handle.succeed

    def _approach(self, handle: Any) -> Goal:
        out = handle.request.purpose == Approach.Goal.WITHDRAW
        epoch, scene = self._desk.state.epoch, self._scene

        def feedback(left: float) -> Any:
            share = left / WAY_S
            scene.gap_mm = FAR_MM * (1 - share if out else share)
            scene.off_mm = FAR_OFF_MM if out else NEAR_OFF_MM + (FAR_OFF_MM - NEAR_OFF_MM) * share
            return Approach.Feedback(
                stage="withdraw" if out else "follow", distance_left=scene.gap_mm * 1e-3, elapsed=WAY_S - left
            )

        yield from self._for(WAY_S, handle, feedback)
        if self._desk.state.epoch != epoch or handle.is_cancel_requested:
            return Approach.Result(error_code="stopped", error_msg="a stop ended it"), handle.abort
        return Approach.Result(entry_error=0.3e-3, target_error=0.4e-3, angle_error=0.004), handle.succeed

    def _inject(self, handle: Any) -> Goal:
        epoch, syringe, told = self._desk.state.epoch, self._syringe, 0.0
        syringe.arm(handle.request, epoch)
        while not syringe.done and self._desk.state.epoch == epoch and not handle.is_cancel_requested:
            syringe.live()
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                handle.publish_feedback(Inject.Feedback(delivered_volume=syringe.given_ml * 1e-6, pressure=syringe.kpa * 1e3))
            yield
        syringe.disarm()
        result = Inject.Result(delivered_volume=syringe.given_ml * 1e-6)
        if not syringe.done:
            result.error_code, result.error_msg = "given_up", "it was called off"
        return result, handle.succeed if syringe.done else handle.abort

    def _for(self, seconds: float, handle: Any, feedback: Any) -> Iterator[None]:
        """A while, with feedback."""
        until, told = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < until and not self._desk.state.latched and not handle.is_cancel_requested:
            if now - told > TELL_S:
                told = now
                handle.publish_feedback(feedback(until - now))
            yield
