"""Goals that end when something outside the executor has come about.

A node keeps the handle of an accepted goal (``handle_accepted_callback=``), gives feedback by it, and ends it here. It does not
await in a coroutine: rclpy's executors run a waiting coroutine again at once, tens of thousands of times a second, and every
turn takes the interpreter from the node's other threads, for seconds on end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action.server import ServerGoalHandle


def conclude(handle: ServerGoalHandle, result: Any, end: Callable[[], None]) -> None:
    """End a goal, from the executor's thread.

    Args:
        handle: the goal. result: the action's. end: ``handle.succeed``, ``handle.abort`` or ``handle.canceled``.
    """

    def tell(_: ServerGoalHandle) -> Any:
        end()
        return result

    handle.execute(tell)


def not_yet(_: ServerGoalHandle) -> Any:
    """The server's own ``execute_callback``: never called, since ``conclude`` brings another."""
    raise AssertionError("a goal is ended by conclude() only")
