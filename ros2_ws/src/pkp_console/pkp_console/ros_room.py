"""The console as a ROS 2 node: questions to the supervisor, goals to the nodes, the hold-to-run switch, the alarms' board."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from pkp_lifecycle import names
from pkp_lifecycle.executor import quick_executor
from pkp_lifecycle.node import PkpNode
from pkp_msgs import srv
from pkp_msgs.msg import HoldToRun
from pydantic import BaseModel, ConfigDict
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions

from pkp_console.alarms import AlarmBoard, Heard, alarms_of
from pkp_console.goals import Goals, reference
from pkp_console.hold import HoldSwitch, Word
from pkp_console.limits import Limits, limits_of
from pkp_console.live import LiveStore
from pkp_console.plain import plain
from pkp_console.refusals import NoSupervisorError
from pkp_console.room import Decision, Goal, Note
from pkp_console.topics import Hearing
from planning_core.case.revisions import open_plan
from planning_core.errors import PkpError

SWITCH_S = 0.05
"""Between two words of the hold-to-run switch."""
ALARMS_S = 0.25
DECISIONS: dict[str, tuple[Any, str]] = {
    "approve": (srv.Approve, names.APPROVE),
    "acknowledge": (srv.Acknowledge, names.ACKNOWLEDGE),
    "rearm": (srv.Rearm, names.REARM),
    "advance": (srv.Advance, names.ADVANCE),
    "confirm_insertion": (srv.ConfirmInsertion, names.CONFIRM_INSERTION),
}


class NodeConfig(BaseModel):
    """No parameters: what the console can be told comes on its command line."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ConsoleNode(PkpNode[NodeConfig]):
    """Asks; what it hears is taken by ``topics.Hearing``."""

    NAME, CONFIG = "console", NodeConfig

    def __init__(self) -> None:
        super().__init__()
        self._sequence = 0

    def open(self) -> None:
        """Look for the supervisor, and have the switch ready."""
        self.stop_client = self.create_client(srv.Stop, names.STOP)
        self.decision_clients = {what: self.create_client(kind, name) for what, (kind, name) in DECISIONS.items()}
        self._held = self.create_publisher(HoldToRun, names.HOLD_TO_RUN, 10)

    def say_switch(self, word: Word) -> None:
        """Tell the injector."""
        self._sequence += 1
        said = HoldToRun(operator_id=word.operator, sequence=self._sequence, epoch=word.epoch, side=word.side)
        said.pressed = word.pressed
        said.header.stamp = self.stamp()
        self._held.publish(said)


class RosRoom:
    """The node in a thread of its own, and beside it the thread that hears.

    Args:
        live: takes the readings. timeout_s: for an answer. note: writes down what becomes of alarms.
    """

    ros = True

    def __init__(self, live: LiveStore, timeout_s: float, note: Note = lambda event, facts: None) -> None:
        self._live, self._timeout_s, self.hold = live, timeout_s, HoldSwitch()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = ConsoleNode()
        self._node.trigger_configure()
        self._node.trigger_activate()
        self._goals = Goals(self._node, live, timeout_s)
        self._executor = quick_executor()
        self._executor.add_node(self._node)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True, name="console-node")
        self._thread.start()
        self._switch = threading.Thread(target=self._say_switch, daemon=True, name="console-switch")
        self._switch.start()
        self._lock = threading.Lock()
        self._board, self._looked_s = AlarmBoard(note), 0.0
        self._limits: tuple[str, Limits] | None = None
        self._hearing = Hearing(live, self._watch)

    @property
    def supervised(self) -> bool:
        """Whether a supervisor answers."""
        return bool(self._node.stop_client.service_is_ready())

    @property
    def description(self) -> str:
        """The room's URDF."""
        return self._hearing.description

    def stop(self, source: str, reason: str) -> dict[str, Any]:
        """Stop everything and latch."""
        return self._ask(self._node.stop_client, srv.Stop.Request(source=source, reason=reason))

    def decide(self, what: Decision, **facts: Any) -> dict[str, Any]:
        """Ask the supervisor for something."""
        if what == "approve":
            facts["plan"] = reference(facts["plan"])
        return self._ask(self._node.decision_clients[what], DECISIONS[what][0].Request(**facts))

    def begin(self, goal: Goal, by: str, **facts: Any) -> dict[str, Any]:
        """Give a node a goal."""
        return self._goals.begin(goal, by, facts)

    def call_off(self) -> dict[str, Any]:
        """Cancel the goal that is being followed."""
        return self._goals.call_off()

    def acknowledge_alarm(self, code: str, by: str) -> bool:
        """Somebody has seen an alarm."""
        with self._lock:
            known = self._board.acknowledge(code, by)
            self._tell(time.monotonic())
        return known

    def end(self) -> None:
        """Leave."""
        self._hearing.end()
        self._ended.set()
        self.hold.used.set()  # wakes it
        self._switch.join(2.0)
        self._thread.join(2.0)
        self._executor.shutdown(timeout_sec=2.0)
        self._goals.destroy()
        self._node.end()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def _watch(self, now_s: float) -> None:
        """After each look: what calls for somebody."""
        if now_s - self._looked_s < ALARMS_S:
            return
        self._looked_s = now_s
        limits = self._limits_now()
        heard = {name: Heard(r.value, now_s - r.heard_s) for name, r in self._live.readings().items()}
        with self._lock:
            if self._board.update(alarms_of(heard, limits), now_s) or "alarms" not in heard:
                self._tell(now_s)

    def _limits_now(self) -> Limits:
        """Of the plan in hand; looked up once for each."""
        plan = self._live.value("plan") or {}
        plan_hash = plan.get("plan_hash", "")
        if self._limits is None or self._limits[0] != plan_hash:
            try:
                opened = open_plan(Path(plan["case_path"]), plan_hash) if plan_hash else None
            except PkpError:  # who approves it hears why; the limits as shipped hold meanwhile
                opened = None
            self._limits = plan_hash, limits_of(opened)
            self._live.put("limits", self._limits[1].shown())
        return self._limits[1]

    def _tell(self, now_s: float) -> None:
        self._live.put("alarms", {"alarms": self._board.shown(now_s)}, now_s)

    def _say_switch(self) -> None:
        """The hold-to-run switch in a thread that sleeps while nobody touches it."""
        while not self._ended.is_set():
            self.hold.used.wait()
            word = self.hold.word()
            if word is not None and not self._ended.is_set():
                self._node.say_switch(word)
                self._ended.wait(SWITCH_S)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            while not self._ended.is_set():
                self._executor.spin_once(timeout_sec=0.2)

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
