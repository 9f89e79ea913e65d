"""The console as a ROS 2 node: the newest message of each topic into the live store, questions to the supervisor."""

from __future__ import annotations

import math
import threading
from typing import Any

import rclpy
from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, LATEST, PkpNode
from pkp_msgs.msg import (
    CtReference,
    InjectorState,
    OperatingState,
    PlanReference,
    ProcedurePhase,
    RecorderState,
    RegistrationResult,
    SafetyState,
    VerificationState,
)
from pkp_msgs.srv import Approve, Stop
from pydantic import BaseModel, ConfigDict
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from pkp_console.live import LiveStore
from pkp_console.refusals import NoSupervisorError
from pkp_console.room import PlanPlace

TOPICS = {
    names.PHASE: ("phase", ProcedurePhase, KEPT),
    names.SAFETY: ("safety", SafetyState, KEPT),
    names.VERIFICATION: ("verification", VerificationState, LATEST),
    names.INJECTOR: ("injector", InjectorState, LATEST),
    names.REGISTRATION: ("registration", RegistrationResult, KEPT),
    names.ARM_STATE: ("arm_state", OperatingState, LATEST),
    names.INJECTOR_STATE: ("injector_state", OperatingState, LATEST),
    names.RECORDER: ("recorder", RecorderState, LATEST),
    names.CT: ("ct", CtReference, KEPT),
    names.PLAN: ("plan", PlanReference, KEPT),
}
"""topic → name in the page's snapshot, type, quality of service."""


class NodeConfig(BaseModel):
    """No parameters: what the console can be told comes on its command line."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ConsoleNode(PkpNode[NodeConfig]):
    """Listens to everything the page shows."""

    NAME, CONFIG = "console", NodeConfig

    def __init__(self, live: LiveStore) -> None:
        super().__init__()
        self._live = live

    def open(self) -> None:
        """Subscribe and look for the supervisor."""
        for topic, (name, kind, quality) in TOPICS.items():
            self.create_subscription(kind, topic, lambda message, name=name: self._live.put(name, plain(message)), quality)
        self.stop_client = self.create_client(Stop, names.STOP)
        self.approve_client = self.create_client(Approve, names.APPROVE)


class RosRoom:
    """The node in a thread of its own; its callbacks only write newest values, so nothing queues behind the page.

    Args:
        live: takes the readings. timeout_s: for an answer of the supervisor.
    """

    ros = True

    def __init__(self, live: LiveStore, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = ConsoleNode(live)
        self._node.trigger_configure()
        self._node.trigger_activate()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True, name="console-node")
        self._thread.start()

    @property
    def supervised(self) -> bool:
        """Whether a supervisor answers."""
        return bool(self._node.stop_client.service_is_ready())

    def stop(self, source: str, reason: str) -> dict[str, Any]:
        """Stop everything and latch."""
        return self._ask(self._node.stop_client, Stop.Request(source=source, reason=reason))

    def approve(self, plan: PlanPlace, operator: str, signature: str) -> dict[str, Any]:
        """Sign a plan."""
        reference = PlanReference(case_path=plan.case_path, plan_hash=plan.plan_hash, level=plan.level, sides=list(plan.sides))
        return self._ask(self._node.approve_client, Approve.Request(plan=reference, operator_id=operator, signature=signature))

    def end(self) -> None:
        """Leave."""
        self._executor.shutdown(timeout_sec=2.0)
        self._thread.join(2.0)
        self._node.end()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def _ask(self, client: Any, request: Any) -> dict[str, Any]:
        if not client.service_is_ready():
            raise NoSupervisorError("no supervisor answers")
        future, done = client.call_async(request), threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(self._timeout_s):
            client.remove_pending_request(future)
            raise NoSupervisorError(f"the supervisor did not answer within {self._timeout_s:g} s")
        answer: dict[str, Any] = plain(future.result())
        return answer


def plain(message: Any) -> Any:
    """A message as JSON-able values; what is no finite number becomes None."""
    if hasattr(message, "get_fields_and_field_types"):
        return {name: plain(getattr(message, name)) for name in message.get_fields_and_field_types()}
    if isinstance(message, float):
        return message if math.isfinite(message) else None
    if isinstance(message, (str, bool, int)):
        return message
    if isinstance(message, bytes):
        return message.hex()
    if hasattr(message, "tolist"):
        return [plain(v) for v in message.tolist()]
    return [plain(v) for v in message]
