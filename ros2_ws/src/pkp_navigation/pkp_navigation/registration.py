"""The registration node: Register in, a judged registration out, with the plan in the tree of frames when it is accepted."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, PkpNode
from pkp_lifecycle.node import main as run
from pkp_lifecycle.polled import Polled, unspun
from pkp_lifecycle.worker import CancelledError, RefusedError, warm
from pkp_msgs.action import Register
from pkp_msgs.msg import CtReference, RegistrationResult, ToolPoseArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from tf2_msgs.msg import TFMessage

from pkp_navigation import register_messages as messages
from pkp_navigation.camera_record import CameraRecord
from pkp_navigation.examine_scan import PLATE, POINTS, SURFACE, ScanJob
from pkp_navigation.register_attendant import Attendant
from pkp_navigation.register_course import (
    Equipment,
    NotRegisteredError,
    Standing,
    Verdict,
    check,
    read_plan,
    register,
)
from pkp_navigation.scan_inbox import Received, ScanInbox
from pkp_navigation.tool_file import PATIENT_REF, PROBE_TIP, load_tool
from planning_core.errors import InputError, PkpError
from planning_core.registration.check_bead import CheckBeadConfig
from planning_core.registration.config import ExposedConfig, RegistrationConfig, TrackerConfig
from planning_core.registration.plate import BUILT_IN, load_plate
from planning_core.registration.touch import TouchConfig


class MethodNotHereError(InputError):
    """A method of registration that this node does not offer. Carries ``method``."""

    code = "method_not_here"


METHODS = (PLATE, POINTS, SURFACE)
GULP, GULP_S = 100, 0.05


class RegistrationNodeConfig(BaseModel):
    """Parameters of the registration."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    timeout_s: float = Field(600.0, gt=0, le=3600, description="for one goal that names none, and the most it may name")
    patient_ref: str = Field("", description="tool file of the patient reference; empty: the project's own")
    probe_tip: str = Field("", description="tool file of the probe; empty: the project's own")
    plate: str = Field("", description="plate file; empty: the project's own ruler")
    marker_error_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        (0.07, 0.07, 0.22), description="one marker's sigma along the camera's x, y and depth; a Vega has half (assumed)"
    )
    constant_share: float = Field(
        0.8, ge=0, le=1, description="of that variance that averaging leaves: 0.22 of 0.25 mm (assumed)"
    )
    shared_share: float = Field(
        0.8,
        ge=0,
        le=1,
        description="of that again that neighbouring markers share, smooth over the volume: 0.20 of 0.22 mm (assumed)",
    )
    max_frame_age_s: float = Field(0.25, gt=0, le=1, description="a camera frame older than this when it comes is not used")
    max_scan_age_s: float = Field(600.0, gt=0, description="of a scan given by its path (assumed)")
    touch_frames: int = Field(60, ge=60, le=1000, description="in a row with the probe held still")
    touch_still_mm: float = Field(0.5, gt=0, le=2, description="rms of the tip about its mean while it is held")
    touch_within_mm: float = Field(30.0, gt=0, le=100, description="a tip held further off is not meant as a touch (assumed)")
    bone_touches: int = Field(ExposedConfig().touches, ge=12, le=400, description="of a vertebra laid bare, method surface")
    check_bead_within_mm: float = Field(120.0, gt=0, le=120, description="of the target (assumed)")
    check_bead_lead_mm: float = Field(10.0, ge=1, description="by which the next bead must be further off (assumed)")


class Frames:
    """The camera's frames while a goal is at work, taken in gulps: by an executor they would cost a fifth of a core."""

    def __init__(self, name: str, take: Callable[[ToolPoseArray], None]) -> None:
        self._node, self._take, self._ended = unspun(name), take, threading.Event()
        self._polled = Polled(self._node, ToolPoseArray, names.TOOLS, GULP)
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let go."""
        self._ended.set()
        self._thread.join()
        self._polled.destroy()
        self._node.destroy_node()

    def _run(self) -> None:
        while not self._ended.wait(GULP_S):
            for message in self._polled.take(GULP):
                self._take(message)


class RegistrationNode(PkpNode[RegistrationNodeConfig]):
    """Serves Register, one goal at a time; the course is :mod:`pkp_navigation.register_course`'s."""

    NAME, CONFIG, THREADS = "registration", RegistrationNodeConfig, 4

    def open(self) -> None:
        """Read the tools, offer the action."""
        warm("pkp_navigation.examine_scan")
        config = self.config
        self._camera, self._scans = CameraRecord(config.max_frame_age_s), ScanInbox()
        self._tools = Equipment(
            self._camera,
            self._scans,
            load_plate(Path(config.plate) if config.plate else BUILT_IN),
            load_tool(PATIENT_REF, config.patient_ref).markers,
            load_tool(PROBE_TIP, config.probe_tip).markers,
            TouchConfig(frames=config.touch_frames, still_mm=config.touch_still_mm),
            config.touch_within_mm,
            config.max_scan_age_s,
            RegistrationConfig(
                tracker=TrackerConfig(
                    fle_mm=config.marker_error_mm, systematic_share=config.constant_share, shared_share=config.shared_share
                ),
                exposed=ExposedConfig(touches=config.bone_touches),
            ),
        )
        self._busy = threading.Lock()
        self._standing: Standing | None = None
        self._ct: CtReference | None = None
        self._result = self.create_publisher(RegistrationResult, names.REGISTRATION, KEPT)
        self._tree = self.create_publisher(TFMessage, "/tf_static", KEPT)
        heard = (
            (CtReference, names.RECEIVED, self._on_received, KEPT),  # a node that was restarted must know the last one too
            (CtReference, names.CT, self._on_ct, KEPT),
        )
        self._heard = [self.create_subscription(*entry) for entry in heard]
        self._server = ActionServer(
            self,
            Register,
            names.REGISTER,
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=self._asked,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def close(self) -> None:
        """Let go; a registration does not outlive its node."""
        if hasattr(self, "_server"):
            self._server.destroy()
            for subscription in self._heard:
                self.destroy_subscription(subscription)
            for publisher in (self._result, self._tree):
                self.destroy_publisher(publisher)
            del self._server

    def _on_tools(self, message: ToolPoseArray) -> None:
        frame = messages.camera_frame(message, self.monotonic_of(message.header.stamp))
        if frame is not None:
            self._camera.take(frame, time.monotonic())

    def _on_received(self, ct: CtReference) -> None:
        self._scans.put(Received(ct.source, ct.ct_sha256, self.monotonic_of(ct.header.stamp)))

    def _on_ct(self, ct: CtReference) -> None:
        self._ct = ct

    def _asked(self, goal: Register.Goal) -> GoalResponse:
        sane = math.isfinite(goal.timeout) and 0 <= goal.timeout <= self.config.timeout_s
        free = self.active and sane and self._busy.acquire(blocking=False)
        if not free:
            why = "not active" if not self.active else "at work" if sane else f"timeout {goal.timeout} s"
            self.get_logger().warning(f"Register refused: {why}")
            return GoalResponse.REJECT
        self._camera.begin()
        self._scans.begin()
        return GoalResponse.ACCEPT

    def _execute(self, handle: ServerGoalHandle) -> Register.Result:
        result, goal, limits = Register.Result(), handle.request, self._tools.config.acceptance
        attendant = Attendant(handle, self._camera, lambda: self.active, goal.timeout or self.config.timeout_s)
        frames = Frames(self.get_name(), self._on_tools)
        try:
            verdict = self._worked_out(goal, attendant)
            stamp = self.stamp_of(verdict.touch.stamp_s)
            result.registration = messages.verdict_message(verdict, goal.plan, stamp, limits)
            result.error_code, result.error_msg = result.registration.error_code, result.registration.error_msg
            if verdict.accepted and goal.purpose == goal.REGISTER:
                self._standing = verdict.standing
                self._tree.publish(messages.tree(verdict.standing, stamp))
            if not verdict.accepted:
                self._standing = None  # a check that failed has shown it wrong: no later one makes it good again
            self.get_logger().info("; ".join((*verdict.standing.examined.notes, *verdict.reasons)))
            self._result.publish(result.registration)
            handle.succeed() if verdict.accepted else handle.abort()
        except PkpError as error:
            result.error_code = str(error.data["refused_code"]) if isinstance(error, RefusedError) else error.code
            result.error_msg = error.message
            method = goal.method or PLATE
            result.registration = messages.refusal_message(error, result.error_code, goal.plan, method, self.stamp(), limits)
            self.get_logger().warning(f"Register: {error.message}")
            cancelled = isinstance(error, CancelledError) and handle.is_cancel_requested
            if not cancelled and not isinstance(error, MethodNotHereError):  # these say nothing about a registration
                self._result.publish(result.registration)
            handle.canceled() if cancelled else handle.abort()
        finally:
            frames.end()
            self._busy.release()
        return result

    def _worked_out(self, goal: Register.Goal, attendant: Attendant) -> Verdict:
        if goal.purpose not in (goal.REGISTER, goal.CHECK) or goal.method not in ("", *METHODS):
            raise MethodNotHereError(f"method {goal.method!r} is not offered here: {', '.join(METHODS)} are", method=goal.method)
        plan = read_plan(goal.plan.case_path, goal.plan.plan_hash)
        standing = self._standing
        if goal.purpose == goal.CHECK:
            if standing is None or standing.plan.plan_hash != plan.plan_hash:
                raise NotRegisteredError("there is no registration of this plan to check: register first")
            return check(self._tools, attendant, standing)
        self._standing = None  # whoever registers anew doubts the old one
        ct = self._ct or CtReference()
        beads = CheckBeadConfig(within_mm=self.config.check_bead_within_mm, lead_mm=self.config.check_bead_lead_mm)
        planned, method = (ct.source, ct.ct_sha256), goal.method or PLATE
        job = ScanJob(goal.scan, goal.scan_sha256, goal.plan.case_path, plan, *planned, self.config.plate, beads, method)
        return register(self._tools, attendant, job, attendant.began_s)


def main() -> int:
    """Run the node."""
    return run(RegistrationNode)


if __name__ == "__main__":
    raise SystemExit(main())
