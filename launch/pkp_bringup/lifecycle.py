"""Asks nodes to change their lifecycle state, and waits with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from planning_core.errors import PkpError

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
NAMES = {CONFIGURE: "configure", ACTIVATE: "activate", DEACTIVATE: "deactivate", CLEANUP: "clean up"}


class NodeSilentError(PkpError):
    """A node did not answer in time. Carries ``node``, ``asked`` and ``timeout_s``."""

    code = "node_silent"


class TransitionRefusedError(PkpError):
    """A node refused to change its state. Carries ``node`` and ``asked``."""

    code = "transition_refused"


class LifecycleClient:
    """Speaks to lifecycle nodes by name.

    Args:
        node: of the asking process; it is spun here and nowhere else.
        alive: whether a node's process still runs, so that nobody waits for a dead one.
    """

    def __init__(self, node: Node, alive: Callable[[str], bool] = lambda name: True) -> None:
        self._node, self._alive = node, alive
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._clients: dict[tuple[str, Any], Any] = {}

    def change(self, name: str, transition: int, timeout_s: float = 10.0) -> None:
        """Ask for a transition.

        Raises:
            NodeSilentError, TransitionRefusedError: see there.
        """
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = self._ask(name, ChangeState, "change_state", request, NAMES[transition], timeout_s)
        if not answer.success:
            raise TransitionRefusedError(f"{name} refused to {NAMES[transition]}", node=name, asked=NAMES[transition])

    def state(self, name: str, timeout_s: float = 10.0) -> str:
        """The node's lifecycle state.

        Raises:
            NodeSilentError: see there.
        """
        answer = self._ask(name, GetState, "get_state", GetState.Request(), "tell its state", timeout_s)
        return str(answer.current_state.label)

    def spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Hear messages until a condition holds; returns whether it does."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left, 0.05))
        return True

    def _ask(self, name: str, kind: Any, service: str, request: Any, asked: str, timeout_s: float) -> Any:
        client = self._clients.get((name, kind))
        if client is None:
            client = self._clients[name, kind] = self._node.create_client(kind, f"/{name}/{service}")
        deadline = time.monotonic() + timeout_s
        while not client.service_is_ready():
            if time.monotonic() > deadline or not self._alive(name):
                raise self._silent(name, asked, timeout_s)
            self._executor.spin_once(timeout_sec=0.05)
        future = client.call_async(request)
        while not future.done():
            if time.monotonic() > deadline or not self._alive(name):
                raise self._silent(name, asked, timeout_s)
            self._executor.spin_once(timeout_sec=0.05)
        return future.result()

    def _silent(self, name: str, asked: str, timeout_s: float) -> NodeSilentError:
        why = f"did not {asked} within {timeout_s:g} s" if self._alive(name) else f"ended before it could {asked}"
        return NodeSilentError(f"{name} {why}", node=name, asked=asked, timeout_s=timeout_s)
