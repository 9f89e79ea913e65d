"""What the console hears, taken from the middleware when a page looks: nobody is woken by a message that nobody shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, LATEST
from pkp_lifecycle.polled import unspun
from pkp_msgs import msg
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from pkp_console.live import LiveStore
from pkp_console.plain import plain

TOPICS: dict[str, tuple[str, Any, QoSProfile]] = {
    names.PHASE: ("phase", msg.ProcedurePhase, KEPT),
    names.SAFETY: ("safety", msg.SafetyState, KEPT),
    names.VERIFICATION: ("verification", msg.VerificationState, LATEST),
    names.INJECTOR: ("injector", msg.InjectorState, LATEST),
    names.REGISTRATION: ("registration", msg.RegistrationResult, KEPT),
    names.ARM_STATE: ("arm_state", msg.OperatingState, LATEST),
    names.INJECTOR_STATE: ("injector_state", msg.OperatingState, LATEST),
    names.RECORDER: ("recorder", msg.RecorderState, LATEST),
    names.CT: ("ct", msg.CtReference, KEPT),
    names.RECEIVED: ("received", msg.CtReference, KEPT),
    names.PLAN: ("plan", msg.PlanReference, KEPT),
    names.TOOLS: ("tools", msg.ToolPoseArray, LATEST),
}
"""topic → name in the page's snapshot, type, quality of service."""
TREES = (("/tf", False, QoSProfile(depth=32)), ("/tf_static", True, QoSProfile(depth=100)))
WATCHED_S, ALONE_S = 1 / 60, 1.0
"""Between two looks while a page is open, and while none is (for the alarms' log)."""


class Hearing:
    """Subscriptions that a thread of its own empties into the live store; depth 1 is the newest-wins slot.

    Args:
        after: called after each look, with its time (monotonic s).
    """

    def __init__(self, live: LiveStore, after: Callable[[float], None]) -> None:
        self._live, self._after, self._node = live, after, unspun("console")
        self._ended = threading.Event()
        self.description = ""
        made = self._node.create_subscription
        self._topics = [(name, made(kind, topic, _nothing, qos)) for topic, (name, kind, qos) in TOPICS.items()]
        self._trees = [(static, made(TFMessage, topic, _nothing, _tree(qos, static))) for topic, static, qos in TREES]
        self._urdf = made(String, names.ROBOT_DESCRIPTION, _nothing, KEPT)
        self._thread = threading.Thread(target=self._run, daemon=True, name="console-hearing")
        self._thread.start()

    def end(self) -> None:
        """Stop listening."""
        self._ended.set()
        self._live.watched.set()  # wakes it
        self._thread.join(2.0)
        self._node.destroy_node()

    def _run(self) -> None:
        while not self._ended.is_set():
            now = time.monotonic()
            self._look(now)
            self._after(now)
            if self._live.watched.is_set():
                self._ended.wait(WATCHED_S)
            else:
                self._live.watched.wait(ALONE_S)

    def _look(self, now: float) -> None:
        for name, subscription in self._topics:
            taken = _take(subscription)
            if taken is not None:
                self._live.put(name, plain(taken[0]), now - taken[1])
        moved = False
        for static, subscription in self._trees:
            while (taken := _take(subscription)) is not None:
                self._live.frames.put(taken[0].transforms, now - taken[1], static)
                moved = True
        if moved:
            self._live.touch()
        if (taken := _take(self._urdf)) is not None:
            self.description = taken[0].data
            self._live.put("description", {"characters": len(self.description)}, now - taken[1])


def _nothing(message: Any) -> None:
    """A subscription wants a callback; this one is never called, as nobody spins the node."""


def _tree(qos: QoSProfile, static: bool) -> QoSProfile:
    if static:
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
    qos.reliability = ReliabilityPolicy.RELIABLE
    return qos


def _take(subscription: Any) -> tuple[Any, float] | None:
    """The oldest message that waits, and how long ago it arrived, s."""
    with subscription.handle:
        taken = subscription.handle.take_message(subscription.msg_type, False)
    if taken is None:
        return None
    arrived = taken[1].get("received_timestamp") or taken[1].get("source_timestamp")
    return taken[0], max(0.0, (time.time_ns() - arrived) * 1e-9) if arrived else 0.0
