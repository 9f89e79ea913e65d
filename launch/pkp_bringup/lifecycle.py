"""Asks nodes to change their lifecycle state, and waits with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node

from planning_core.errors import PkpError

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
NAMES = {CONFIGURE: "configure", ACTIVATE: "activate", DEACTIVATE: "deactivate", CLEANUP: "clean up"}
AFTER = {CONFIGURE: "inactive", ACTIVATE: "active", DEACTIVATE: "inactive", CLEANUP: "unconfigured"}
AGAIN_S = 1.0
"""A question that was not answered by then is asked again."""


class NodeSilentError(PkpError):
    """A node did not answer in time. Carries ``node``, ``asked`` and ``timeout_s``."""

    code = "node_silent"


class TransitionRefusedError(PkpError):
    """A node refused to change its state. Carries ``node`` and ``asked``."""

    code = "transition_refused"


def spin(executor: Executor, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
    """Let an executor hear messages until a condition holds; returns whether it does."""
    deadline = time.monotonic() + seconds
    while not until():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        executor.spin_once(timeout_sec=min(left, 0.05))
    return True


class LifecycleClient:
    """Speaks to lifecycle nodes by name.

    Args:
        node: of the asking process; it is spun here and nowhere else.
        alive: whether a node's process still runs, so that nobody waits for a dead one.
    """

    def __init__(self, node: Node, alive: Callable[[str], bool] = lambda name: True) -> None:
        self._node, self._alive = node, alive
        self._executor = SingleThreadedExecutor()  # the events executor crashed here, where clients come and go between its turns
        self._executor.add_node(node)
        self._clients: dict[tuple[str, Any], Any] = {}

    def change(self, name: str, transition: int, timeout_s: float = 10.0) -> None:
        """Ask for a transition.

        A request may reach only the killed process that had this name before: it is asked again until the state is there.

        Raises:
            NodeSilentError, TransitionRefusedError: see there.
        """
        request, asked = ChangeState.Request(transition=Transition(id=transition)), NAMES[transition]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.state(name, deadline - time.monotonic()) == AFTER[transition]:
                return
            answer = self._ask(name, ChangeState, "change_state", request, min(AGAIN_S, deadline - time.monotonic()))
            if answer is not None and not answer.success:
                raise TransitionRefusedError(f"{name} refused to {asked}", node=name, asked=asked)
            if answer is not None:
                return
        raise self._silent(name, asked, timeout_s)

    def state(self, name: str, timeout_s: float = 10.0) -> str:
        """The node's lifecycle state.

        Raises:
            NodeSilentError: see there.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._alive(name):
            answer = self._ask(name, GetState, "get_state", GetState.Request(), min(AGAIN_S, deadline - time.monotonic()))
            if answer is not None:
                return str(answer.current_state.label)
        raise self._silent(name, "tell its state", timeout_s)

    def spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Hear messages until a condition holds; returns whether it does."""
        return spin(self._executor, seconds, until)

    def _ask(self, name: str, kind: Any, service: str, request: Any, timeout_s: float) -> Any:
        """The answer, or None where there was none in time."""
        client = self._clients.get((name, kind))
        if client is None:
            client = self._clients[name, kind] = self._node.create_client(kind, f"/{name}/{service}")
        deadline = time.monotonic() + timeout_s

        def waiting() -> bool:
            return time.monotonic() < deadline and self._alive(name)

        while not client.service_is_ready() and waiting():
            self._executor.spin_once(timeout_sec=0.05)
        if not client.service_is_ready():
            return None
        future = client.call_async(request)
        while not future.done() and waiting():
            self._executor.spin_once(timeout_sec=0.05)
        if future.done():
            return future.result()
        client.remove_pending_request(future)
        return None

    def _silent(self, name: str, asked: str, timeout_s: float) -> NodeSilentError:
        why = f"did not {asked} within {timeout_s:g} s" if self._alive(name) else f"ended before it could {asked}"
        return NodeSilentError(f"{name} {why}", node=name, asked=asked, timeout_s=timeout_s)
