"""An action around one piece of long work: one goal at a time, feedback, cancel, timeout, an error by name."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from pkp_lifecycle.node import PkpNode
from pkp_lifecycle.worker import CancelledError, RefusedError, Work, run_in_process
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup

from planning_core.errors import PkpError


class WorkServer:
    """Serves one action of a node; the work runs in a process of its own.

    Args:
        work: what is done there; its arguments come from ``arguments(goal)``.
        fill: puts the work's value into the result, and tells whoever else wants to know.
        busy: shared by servers of which only one may work at a time.
        timeout_s: where the goal names none, and the most it may name.
    """

    def __init__(
        self,
        node: PkpNode[Any],
        action: Any,
        name: str,
        work: Work,
        arguments: Callable[[Any], tuple[Any, ...]],
        fill: Callable[[Any, Any], None],
        busy: threading.Lock,
        timeout_s: float,
    ) -> None:
        self._node, self._action, self._work, self._arguments, self._fill = node, action, work, arguments, fill
        self._busy, self._timeout_s = busy, timeout_s
        self._server = ActionServer(
            node,
            action,
            name,
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=self._asked,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def destroy(self) -> None:
        """End; running work is called off as soon as the node is not active."""
        self._server.destroy()

    def _asked(self, goal: Any) -> GoalResponse:
        sane = math.isfinite(goal.timeout) and 0 <= goal.timeout <= self._timeout_s
        free = self._node.active and sane and self._busy.acquire(blocking=False)
        if not free:
            why = "not active" if not self._node.active else "at work" if sane else f"timeout {goal.timeout} s"
            self._node.get_logger().warning(f"{self._action.__name__} refused: {why}")
        return GoalResponse.ACCEPT if free else GoalResponse.REJECT

    def _execute(self, handle: ServerGoalHandle) -> Any:
        result = self._action.Result()
        try:
            value = run_in_process(
                self._work,
                self._arguments(handle.request),
                lambda stage, elapsed: handle.publish_feedback(self._action.Feedback(stage=stage, elapsed=elapsed)),
                lambda: handle.is_cancel_requested or not self._node.active,
                handle.request.timeout or self._timeout_s,
            )
            self._fill(value, result)
            handle.succeed()
        except PkpError as error:
            result.error_code = str(error.data["refused_code"]) if isinstance(error, RefusedError) else error.code
            result.error_msg = error.message
            self._node.get_logger().warning(f"{self._action.__name__}: {error.message}")
            if isinstance(error, CancelledError) and handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        finally:
            self._busy.release()
        return result
