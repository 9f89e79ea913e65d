"""Goals for the nodes, one at a time, by the operator's word; what becomes of one is told in the live store under ``task``."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import attrs
from builtin_interfaces.msg import Time
from pkp_lifecycle import names
from pkp_lifecycle.units import cubic_metres
from pkp_msgs import msg
from pkp_msgs.action import Approach, IngestCt, Inject, PlanCase, Register
from rclpy.action import ActionClient
from rclpy.node import Node

from pkp_console.live import LiveStore
from pkp_console.plain import plain
from pkp_console.refusals import BusyTaskError, NoSupervisorError
from pkp_console.room import PlanPlace

WITHDRAW, CHECK = "withdraw", "check"
FOLLOWED = ("asked", "running")
LOOK_S = 1.0
"""Between two looks at whether the node that took a goal is there still."""
ENDS_S = 5.0
"""Within so long a node ends what is called off (assumed)."""


def reference(plan: PlanPlace) -> msg.PlanReference:
    """A plan as the nodes are told of it."""
    return msg.PlanReference(case_path=plan.case_path, plan_hash=plan.plan_hash, level=plan.level, sides=list(plan.sides))


def goal_of(kind: str, facts: dict[str, Any]) -> tuple[Any, str, Any]:
    """Action, name and goal of what the operator asks for. How long it may take is the node's to say, which knows its work."""
    if kind == "ingest":
        return IngestCt, names.INGEST_CT, IngestCt.Goal(source=facts["source"], series=facts["series"])
    if kind == "open_plan":
        return PlanCase, names.PLAN_CASE, PlanCase.Goal(case_path=facts["case_path"], level=facts["level"])
    plan = reference(facts["plan"])
    if kind == CHECK:  # by what it was registered, the node knows
        return Register, names.REGISTER, Register.Goal(purpose=Register.Goal.CHECK, plan=plan)
    if kind == "register":
        return Register, names.REGISTER, Register.Goal(purpose=Register.Goal.REGISTER, plan=plan, method=facts["method"])
    side, epoch = facts["side"], facts["epoch"]
    if kind == "inject":
        mixed = time.time_ns() - int(facts["mixed_ago_s"] * 1e9)
        goal = Inject.Goal(plan=plan, side=side, epoch=epoch, volume=cubic_metres(facts["volume_ml"]))
        goal.mixed_at = Time(sec=mixed // 10**9, nanosec=mixed % 10**9)
        return Inject, names.INJECT, goal
    purpose = Approach.Goal.WITHDRAW if kind == WITHDRAW else Approach.Goal.APPROACH
    return Approach, names.APPROACH, Approach.Goal(purpose=purpose, plan=plan, side=side, epoch=epoch)


@attrs.define(eq=False)
class _Followed:
    """A goal that was taken, and by which servers' identities: one that is started anew has the name, not the goal."""

    handle: Any
    name: str
    servers: frozenset[bytes]
    called_off_s: float = math.inf


class Goals:
    """One goal at a time. One whose node ended without a word, or does not end what was called off, is ``lost``: nobody waits
    for it any longer, and another one can be given.

    Args:
        node: that an executor spins; all answers come in its thread. timeout_s: for a node to say whether it takes the goal.
    """

    def __init__(self, node: Node, live: LiveStore, timeout_s: float) -> None:
        self._node, self._live, self._timeout_s = node, live, timeout_s
        self._clients = {
            name: ActionClient(node, kind, name)
            for kind, name in (
                (IngestCt, names.INGEST_CT),
                (PlanCase, names.PLAN_CASE),
                (Register, names.REGISTER),
                (Approach, names.APPROACH),
                (Inject, names.INJECT),
            )
        }
        self._lock = threading.Lock()
        self._task: dict[str, Any] = {}
        self._followed: _Followed | None = None
        self._timer = node.create_timer(LOOK_S, self._look)

    def begin(self, kind: str, by: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Give a goal; returns the task as it is then.

        Raises:
            BusyTaskError, NoSupervisorError: see ``room.Room``.
        """
        _, name, goal = goal_of(kind, facts)
        client = self._clients[name]
        if not client.server_is_ready():
            raise NoSupervisorError(f"nobody is there for {kind.replace('_', ' ')} ({name})")
        with self._lock:
            if self._task.get("state") in FOLLOWED:
                raise BusyTaskError(f"{self._task['kind']} is being carried out", task=self._task["kind"])
            self._task = {"kind": kind, "by": by, "state": "asked", "side": facts.get("side", ""), "began": time.time()}
            self._task |= {"stage": "", "feedback": {}, "result": {}, "error_code": "", "error_msg": ""}
            task, self._followed = self._task, None
        self._tell(task)
        answered = threading.Event()
        sent = client.send_goal_async(goal, feedback_callback=lambda heard: self._feedback(task, heard.feedback))
        sent.add_done_callback(lambda future: self._taken(task, name, future, answered))
        if not answered.wait(self._timeout_s):
            sent.cancel()
            self._change(task, state="refused", error_code="no_answer", error_msg=f"{name} did not answer")
        return dict(task)

    def call_off(self) -> dict[str, Any]:
        """Cancel what is being followed; the node says how it ended."""
        with self._lock:
            followed, task = self._followed, dict(self._task)
        if followed is not None and task.get("state") == "running":
            followed.called_off_s = min(followed.called_off_s, time.monotonic())
            followed.handle.cancel_goal_async()
        return task

    def destroy(self) -> None:
        """Let go."""
        self._node.destroy_timer(self._timer)
        for client in self._clients.values():
            client.destroy()

    def _taken(self, task: dict[str, Any], name: str, future: Any, answered: threading.Event) -> None:
        handle = future.result() if not future.cancelled() else None
        if handle is None or not handle.accepted:
            self._change(task, state="refused", error_code="rejected", error_msg="the node does not take this goal now")
        elif task["state"] != "asked":
            handle.cancel_goal_async()  # it answered after we had given up
        else:
            with self._lock:
                self._followed = _Followed(handle, name, self._serving(name))
            self._change(task, state="running")
            handle.get_result_async().add_done_callback(lambda done: self._ended(task, done))
        answered.set()

    def _serving(self, name: str) -> frozenset[bytes]:
        said = self._node.get_publishers_info_by_topic(f"{name}/_action/status")
        return frozenset(bytes(one.endpoint_gid) for one in said)

    def _look(self) -> None:
        with self._lock:
            followed, task = self._followed, self._task
        if followed is None or task["state"] != "running":
            return
        if followed.servers and followed.servers.isdisjoint(self._serving(followed.name)):
            why = "has ended"
        elif time.monotonic() - followed.called_off_s > ENDS_S:
            why = "does not end what was called off"
        else:
            return
        self._change(task, state="lost", error_code="lost", error_msg=f"the node that took it ({followed.name}) {why}")

    def _feedback(self, task: dict[str, Any], feedback: Any) -> None:
        if task["state"] in FOLLOWED:
            said = plain(feedback)
            self._change(task, stage=said.get("stage", ""), feedback=said)

    def _ended(self, task: dict[str, Any], future: Any) -> None:
        result = plain(future.result().result)
        code = result.get("error_code", "")
        state = "refused" if code else "done"
        self._change(task, state=state, result=result, error_code=code, error_msg=result.get("error_msg", ""))

    def _change(self, task: dict[str, Any], **facts: Any) -> None:
        with self._lock:
            task.update(facts)
            current = task is self._task
        if current:
            self._tell(task)

    def _tell(self, task: dict[str, Any]) -> None:
        self._live.put("task", dict(task))
