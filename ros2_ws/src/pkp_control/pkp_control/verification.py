"""The verification node: is the guide where the plan wants it? Judged in every camera frame, without the arm's word."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import attrs
from pkp_lifecycle import names
from pkp_lifecycle.node import LATEST, PkpNode
from pkp_lifecycle.node import main as run
from pkp_lifecycle.units import metres
from pkp_msgs.msg import PlanReference, RegistrationResult, StateCommand, ToolPoseArray, VerificationState
from pkp_supervisor.phases import Phase

from pkp_control import arm_messages as translate
from pkp_control.alignment import AlignmentState, Verification, Verifier
from pkp_control.compensation import TOOL
from pkp_control.kinematics import PLATE, TIP, ArmKinematics
from pkp_control.planned_path import planned_goal
from pkp_control.sight_error import Markers
from pkp_control.verification_config import VerificationConfig
from planning_core.case.revisions import open_plan
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform
from planning_core.registration.plate import BUILT_IN, load_plate

AWAITED = (Phase.VERIFY, Phase.INSERT)
"""Where somebody goes by its word: there it says that it has none."""
UNSEEN = Verification(AlignmentState.NOT_VERIFIED, "nothing to judge it by", 0, None, None, None, "")


@attrs.frozen(eq=False)
class _Judge:
    """What is judged: one side of one plan under one registration."""

    plan: PlanReference
    side: str
    registration: RigidTransform
    verifier: Verifier


class VerificationNode(PkpNode[VerificationConfig]):
    """See the module."""

    NAME, CONFIG = "verification", VerificationConfig
    URGENT = 18

    def open(self) -> None:
        """Read the geometry of arm and tools."""
        config = self.config
        arm = ArmKinematics.load(config.model)
        tool_from_tip = arm.flange_from(PLATE).inverse() @ arm.flange_from(TIP)
        self._tool_from_tip = RigidTransform(TOOL, TIP, tool_from_tip.matrix)
        plate = load_plate(Path(config.plate_file) if config.plate_file else BUILT_IN)
        self._markers = Markers(config.patient_markers(), plate.markers_mm)
        self._judge: _Judge | None = None
        self._registration: tuple[str, RigidTransform] | None = None
        self._registered_s = -math.inf  # stamp of the newest word about a registration
        self._commanded: tuple[PlanReference, str] | None = None
        self._refused: Any = None
        self._judged_s = -math.inf
        self._last = VerificationState()
        self._state = self.create_publisher(VerificationState, names.VERIFICATION, 10)
        self._heard = (
            self.create_subscription(ToolPoseArray, names.TOOLS, self._on_tools, 10),
            self.create_subscription(RegistrationResult, names.REGISTRATION, self._on_registration, 10),
            self.create_subscription(StateCommand, names.STATE_COMMAND, self._on_command, LATEST),
        )
        self._timer = self.create_timer(config.alignment().fresh_s / 2, self._on_silence)

    def halt(self) -> None:
        """Silent from now on."""
        self._judge = self._commanded = None

    def close(self) -> None:
        """Let go."""
        for subscription in getattr(self, "_heard", ()):
            self.destroy_subscription(subscription)
        if hasattr(self, "_timer"):
            self.destroy_timer(self._timer)
            self.destroy_publisher(self._state)
            del self._timer, self._heard

    def _on_registration(self, result: RegistrationResult) -> None:
        transform, stamp_s = translate.registration(result), self.monotonic_of(result.header.stamp)
        good = result.accepted and transform is not None
        if good and not translate.newer(stamp_s, self._registered_s, time.monotonic()):
            return  # one of before: what was refused or measured since counts
        judge = self._judge
        if judge is not None and result.plan.plan_hash != judge.plan.plan_hash:
            return  # of another plan: it says nothing about the one that is followed
        self._registered_s = max(self._registered_s, min(stamp_s, time.monotonic()))
        self._registration = (result.plan.plan_hash, transform) if good and transform is not None else None
        if self._registration is None:
            self._judge = None

    def _on_command(self, command: StateCommand) -> None:
        plan, side, held = command.plan, command.side, self._registration
        awaited = self.active and plan.plan_hash and side and command.phase in AWAITED
        self._commanded = (plan, side) if awaited else None
        if not self.active or held is None or held[0] != plan.plan_hash or not plan.plan_hash or not side:
            self._judge = None
            return
        judge = self._judge
        same = judge is not None and (judge.plan.plan_hash, judge.side) == (plan.plan_hash, side)
        if same and judge is not None and abs(judge.registration.matrix - held[1].matrix).max() < 1e-9:
            return
        wanted = (plan.plan_hash, plan.case_path, side, held[1].matrix.tobytes())
        if self._refused == wanted:
            return
        self._judge, self._refused = None, None
        try:
            goal = planned_goal(open_plan(Path(plan.case_path), plan.plan_hash), side, held[1], self.config.guide())
            verifier = Verifier(goal, self._tool_from_tip, self._markers, self.config.alignment())
        except PkpError as error:
            self._refused, self.unhealthy = wanted, error.message
            self.get_logger().error(error.message)
            return
        self.unhealthy = ""
        self._judge, self._judged_s = _Judge(plan, side, held[1], verifier), -math.inf

    def _on_tools(self, frame: ToolPoseArray) -> None:
        judge, now_s = self._judge, time.monotonic()
        if judge is None or not self.active:
            return
        stamp_s = self.monotonic_of(frame.header.stamp)
        patient, tool = translate.samples(frame, stamp_s)
        judge.verifier.observe(patient, tool, now_s)
        lost = patient.pose is None or tool.pose is None or not 0 <= now_s + 0.005 - stamp_s <= self.config.fresh_s + 0.005
        self._judged_s = now_s
        self._last = VerificationState(frame_number=frame.frame_number)
        self._last.header.stamp = frame.header.stamp
        self._say(judge.plan, judge.side, judge.verifier.verification(now_s), lost)

    def _on_silence(self) -> None:
        """No frame, or nothing to judge it by: said again and again, for silence alone could be taken for a slow camera."""
        judge, now_s = self._judge, time.monotonic()
        if judge is None and self._commanded is not None:
            self._say(*self._commanded, UNSEEN, True)
        elif judge is not None and self.active and now_s - self._judged_s > self.config.fresh_s:
            self._say(judge.plan, judge.side, judge.verifier.verification(now_s), True)

    def _say(self, plan: PlanReference, side: str, seen: Verification, lost: bool) -> None:
        message = VerificationState(plan=plan, side=side, frame_number=self._last.frame_number)
        message.header.stamp, message.header.frame_id = self._last.header.stamp, "patient_ref"
        message.entry_error, message.target_error = (
            math.nan if value is None else metres(value) for value in (seen.entry_mm, seen.target_mm)
        )
        message.angle_error = math.nan if seen.angle_deg is None else math.radians(seen.angle_deg)
        message.held, message.hold_required = seen.held_s, self.config.hold_s
        if lost:
            message.state = message.LOST
        elif seen.state is AlignmentState.VERIFIED:
            message.state = message.VERIFIED
        else:
            message.state = message.HOLDING if 0.0 < seen.held_s < self.config.hold_s else message.NOT_VERIFIED
        self._state.publish(message)


def main() -> int:
    """Run the node."""
    return run(VerificationNode)


if __name__ == "__main__":
    raise SystemExit(main())
