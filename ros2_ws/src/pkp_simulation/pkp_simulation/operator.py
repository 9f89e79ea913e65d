"""What a person at the console does, one decision a method; ``./pkp up --auto`` and tests of the whole room use it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT
from pkp_lifecycle.polled import Newest, Polled, unspun
from pkp_msgs import msg, srv
from pkp_supervisor.phases import Phase
from pkp_supervisor.workflow import signature
from rclpy.action import ActionClient
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from scipy.spatial.distance import pdist

from planning_core.errors import PkpError

SWITCH_S = 0.05
"""Between two messages of the hold-to-run switch."""
FRAMES = 60
"""Camera frames kept until they are looked at."""
ANSWER_S = 10.0

Spin = Callable[[float, Callable[[], bool]], bool]


class StoppedError(PkpError):
    """The procedure was stopped while something was awaited. Carries ``awaited``, ``phase`` and ``epoch``."""

    code = "stopped"


class NotDoneError(PkpError):
    """A node refused or did not manage what was asked. Carries ``asked`` and ``refused_code``."""

    code = "not_done"


class NoAnswerError(PkpError):
    """Nobody answered in time. Carries ``asked`` and ``timeout_s``."""

    code = "no_answer"


def motion_mm(stamps_s: np.ndarray, places_mm: np.ndarray, parts: int = 5) -> float:
    """How far something seen with noise moved: between the mean places of equal parts of the time, the largest distance.

    The span of single sightings would grow with their number, and judge a quick camera harder than a slow one.

    Args:
        stamps_s: (n,) ascending. places_mm: (n, 3).
    """
    edges = np.linspace(stamps_s[0], stamps_s[-1], parts + 1)[1:-1]
    pieces = np.split(places_mm, np.searchsorted(stamps_s, edges))
    means = np.array([piece.mean(axis=0) for piece in pieces if len(piece)])
    return float(pdist(means).max(initial=0.0))


def _seconds(stamp: Time) -> float:
    return float(stamp.sec + stamp.nanosec * 1e-9)


def _patient_in(frame: msg.ToolPoseArray) -> tuple[float, np.ndarray] | None:
    """When and where the camera saw the patient reference, s and (3,) mm."""
    for tool in frame.tools:
        if tool.tool == "patient_ref" and tool.status == tool.OK:
            place = tool.pose.position
            return _seconds(tool.header.stamp), np.array([place.x, place.y, place.z]) * 1e3
    return None


class Operator:
    """Decides as fast as the evidence allows, and nothing that the supervisor or a node would refuse to a person.

    Args:
        node: of this process. spin: hears messages for so long or until a condition holds, and says whether it does.
        identity: name under which decisions are recorded.
    """

    def __init__(self, node: Node, spin: Spin, identity: str = "auto") -> None:
        self._node, self._spin, self.identity = node, spin, identity
        # an executor would be woken by each message of the room, of which only the newest counts here
        self._loop = unspun("operator")
        self._phase = Newest(self._loop, msg.ProcedurePhase, names.PHASE, KEPT)
        self._safety = Newest(self._loop, msg.SafetyState, names.SAFETY, KEPT)
        self._verification = Newest(self._loop, msg.VerificationState, names.VERIFICATION)
        self._received = Newest(self._loop, msg.CtReference, names.RECEIVED, KEPT)
        self._injector = Newest(self._loop, msg.InjectorState, names.INJECTOR)
        self._switch = node.create_publisher(msg.HoldToRun, names.HOLD_TO_RUN, 10)
        self._pressed = msg.HoldToRun(operator_id=identity)
        self._switch_timer = node.create_timer(SWITCH_S, self._send_switch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._clients: dict[str, Any] = {}
        self._actions: dict[str, ActionClient] = {}

    @property
    def phase(self) -> msg.ProcedurePhase | None:
        """As last heard."""
        return self._phase()

    @property
    def safety(self) -> msg.SafetyState | None:
        """As last heard."""
        return self._safety()

    @property
    def verification(self) -> msg.VerificationState | None:
        """As last heard."""
        return self._verification()

    @property
    def injector(self) -> msg.InjectorState | None:
        """As last heard."""
        return self._injector()

    @property
    def epoch(self) -> int:
        """Number of stops so far."""
        safety = self.safety
        return 0 if safety is None else int(safety.epoch)

    def close(self) -> None:
        """Let go of what was heard with."""
        self._loop.destroy_node()

    def wait(self, what: str, condition: Callable[[], bool], timeout_s: float) -> None:
        """Until a condition holds.

        Raises:
            StoppedError: a stop was latched meanwhile. NoAnswerError: it did not hold in time.
        """
        if not self._spin(timeout_s, lambda: condition() or self._stopped()) or (self._stopped() and not condition()):
            self._require_running(what)
            raise NoAnswerError(f"{what}: not within {timeout_s:g} s", asked=what, timeout_s=timeout_s)

    def call(self, kind: Any, name: str, **request: Any) -> Any:
        """Ask a service; a refusal is raised.

        Raises:
            NoAnswerError, NotDoneError: see there.
        """
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        client = self._clients[name]
        if not self._spin(ANSWER_S, client.service_is_ready):
            raise NoAnswerError(f"{name} is not there", asked=name, timeout_s=ANSWER_S)
        future = client.call_async(kind.Request(**request))
        if not self._spin(ANSWER_S, future.done):
            raise NoAnswerError(f"{name} did not answer", asked=name, timeout_s=ANSWER_S)
        answer = future.result()
        if not getattr(answer, "accepted", True):
            raise NotDoneError(f"{name}: {answer.error_msg}", asked=name, refused_code=answer.error_code)
        return answer

    def do(self, kind: Any, name: str, goal: Any, timeout_s: float, heard: Callable[[Any], None] = lambda feedback: None) -> Any:
        """Carry an action through and return its result; ``heard`` gets each feedback. A stop calls it off.

        Raises:
            NoAnswerError, NotDoneError, StoppedError: see there.
        """
        if name not in self._actions:
            self._actions[name] = ActionClient(self._node, kind, name)
        client = self._actions[name]
        if not self._spin(ANSWER_S, client.server_is_ready):
            raise NoAnswerError(f"{name} is not there", asked=name, timeout_s=ANSWER_S)
        sent = client.send_goal_async(goal, feedback_callback=lambda message: heard(message.feedback))
        if not self._spin(ANSWER_S, sent.done):
            raise NoAnswerError(f"{name} did not answer", asked=name, timeout_s=ANSWER_S)
        handle = sent.result()
        if not handle.accepted:
            raise NotDoneError(f"{name} rejected the goal", asked=name, refused_code="rejected")
        future = handle.get_result_async()
        was_stopped = self._stopped()
        done = self._spin(timeout_s, lambda: future.done() or (self._stopped() and not was_stopped))
        if not future.done():
            handle.cancel_goal_async()
            self._spin(ANSWER_S, future.done)
            if not was_stopped:
                self._require_running(name)
            if not done:
                raise NoAnswerError(f"{name}: not done within {timeout_s:g} s", asked=name, timeout_s=timeout_s)
        result = future.result().result
        if result.error_code:
            raise NotDoneError(f"{name}: {result.error_msg}", asked=name, refused_code=result.error_code)
        return result

    def advance(self, to: Phase, timeout_s: float = 10.0) -> None:
        """Go on as soon as the evidence for it is there.

        Raises:
            NotDoneError: what is still missing after ``timeout_s``. StoppedError: a stop came first.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._require_running(f"advance to {to.name.lower()}")
            try:
                self.call(srv.Advance, names.ADVANCE, operator_id=self.identity, phase=int(to), epoch=self.epoch)
                break
            except NotDoneError as error:
                if error.data["refused_code"] != "conditions_not_met" or time.monotonic() > deadline:
                    raise
                self._spin(0.1, lambda: False)
        self.wait(to.name.lower(), lambda: self.phase is not None and self.phase.phase == int(to), ANSWER_S)

    def approve(self, plan: msg.PlanReference) -> None:
        """Sign a plan."""
        signed = signature(plan.plan_hash, self.identity)
        self.call(srv.Approve, names.APPROVE, plan=plan, operator_id=self.identity, signature=signed)

    def until_verified(self, side: str, timeout_s: float, since_s: float = 0.0) -> msg.VerificationState:
        """The state VERIFIED of this side, judged on a pose not older than ``since_s`` (ROS time).

        Raises:
            NoAnswerError: it did not come, with the last distances. StoppedError: a stop came first.
        """

        accepted: list[msg.VerificationState] = []

        def verified() -> bool:
            seen = self.verification
            if seen is not None and seen.side == side and seen.state == seen.VERIFIED and _seconds(seen.header.stamp) >= since_s:
                accepted.append(seen)
            return bool(accepted)

        try:
            self.wait("verification", verified, timeout_s)
        except NoAnswerError as error:
            seen = self.verification
            if seen is not None:
                error.message += f" (entry {seen.entry_error * 1e3:.2f} mm, target {seen.target_error * 1e3:.2f} mm)"
            raise
        return accepted[-1]

    def until_read(self, since_s: float, timeout_s: float) -> None:
        """Until a scan whose transfer began since then (ROS time) was read, or time is over: nobody tells of a refused one."""

        def read() -> bool:
            seen = self._received()
            return seen is not None and _seconds(seen.header.stamp) >= since_s

        self._spin(timeout_s, lambda: read() or self._stopped())

    def until_still(self, timeout_s: float, seconds: float = 1.5, within_mm: float = 0.15) -> None:
        """Until the patient reference has moved by less than this for a while: the breath is held."""
        places: deque[tuple[float, np.ndarray]] = deque()
        frames = Polled(self._loop, msg.ToolPoseArray, names.TOOLS, FRAMES)

        def still() -> bool:
            places.extend(seen for frame in frames.take(FRAMES) if (seen := _patient_in(frame)) is not None)
            while places and places[-1][0] - places[0][0] > seconds:
                places.popleft()
            stamps_s = np.array([stamp for stamp, _ in places])
            if not places or np.ptp(stamps_s) < 0.8 * seconds:
                return False
            return motion_mm(stamps_s, np.array([place for _, place in places])) < within_mm

        try:
            self.wait("the breath to be held", still, timeout_s)
        finally:
            frames.destroy()

    def now_s(self) -> float:
        """ROS time, s."""
        return float(self._node.get_clock().now().nanoseconds) * 1e-9

    def confirm_insertion(self, plan: msg.PlanReference, side: str) -> None:
        """The pin is in."""
        request = {"operator_id": self.identity, "side": side, "plan_hash": plan.plan_hash, "epoch": self.epoch}
        self.call(srv.ConfirmInsertion, names.CONFIRM_INSERTION, **request)

    def press(self, side: str, pressed: bool) -> None:
        """Hold the hold-to-run switch down for a side, or let go."""
        self._pressed.side, self._pressed.pressed, self._pressed.epoch = side, pressed, self.epoch
        self._send_switch()

    def stop(self, reason: str) -> None:
        """Stop everything."""
        self.call(srv.Stop, names.STOP, source=self.identity, reason=reason)

    def acknowledge(self) -> None:
        """Say that the present stop was seen."""
        self.call(srv.Acknowledge, names.ACKNOWLEDGE, operator_id=self.identity, epoch=self.epoch)

    def rearm(self, plan_hash: str) -> Phase:
        """Leave the present stop; returns where it goes on."""
        epoch = self.epoch
        answer = self.call(srv.Rearm, names.REARM, operator_id=self.identity, epoch=epoch, plan_hash=plan_hash)
        # the answer may overtake the word that the stop is left: only a newer stop is one
        left = lambda: self.epoch > epoch or (self.stands_in(Phase(answer.phase)) and not self._stopped())  # noqa: E731
        if not self._spin(ANSWER_S, left):
            raise NoAnswerError("the stop to be left", asked="re-arm", timeout_s=ANSWER_S)
        self._require_running("re-arm")
        return Phase(answer.phase)

    def stands_in(self, phase: Phase) -> bool:
        """Whether the procedure is in this phase."""
        return self.phase is not None and self.phase.phase == int(phase)

    def go_to(self, phase: Phase) -> None:
        """Advance, unless a re-arm has led there already."""
        if not self.stands_in(phase):
            self.advance(phase)

    @property
    def stopped_in(self) -> Phase | None:
        """Where the present stop came."""
        return Phase(self.phase.stopped_in) if self._stopped() and self.phase is not None else None

    def stopped_within(self, seconds: float) -> bool:
        """Whether a stop is latched, or comes in a moment."""
        return self._spin(seconds, self._stopped)

    def until_heard(self, seconds: float) -> None:
        """Until the supervisor hears everybody, at most so long."""
        everybody = lambda: self.safety is not None and all(w.age <= w.limit for w in self.safety.watchdogs)  # noqa: E731
        self._spin(seconds, everybody)

    def pause(self, seconds: float) -> None:
        """Listen for a while."""
        self._spin(seconds, lambda: False)

    def _send_switch(self) -> None:
        self._pressed.sequence += 1
        self._pressed.header.stamp = self._node.get_clock().now().to_msg()
        self._switch.publish(self._pressed)

    def _stopped(self) -> bool:
        return self.safety is not None and self.safety.stop_latched

    def _require_running(self, awaited: str) -> None:
        if self._stopped():
            assert self.safety is not None
            phase = "?" if self.phase is None else Phase(self.phase.stopped_in).name.lower()
            raise StoppedError(
                f"stopped in {phase}: {self.safety.reason}", awaited=awaited, phase=phase, epoch=int(self.safety.epoch)
            )
