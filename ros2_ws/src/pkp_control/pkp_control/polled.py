"""Topics that a loop takes from by itself, past the executor.

An executor in Python rebuilds its wait set for every message, which at 125 Hz costs more than the control law, and hands the
message over late. A loop that comes round anyway takes what has arrived; the middleware's queue is the slot between threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile


class _NeverExecuted(CallbackGroup):
    """Keeps the executor away."""

    def can_execute(self, entity: Any) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Never."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Never."""


class Polled:
    """One topic of a node.

    Args:
        qos: its depth is the queue; 1 keeps the newest only.
    """

    def __init__(self, node: Node, kind: Any, topic: str, qos: QoSProfile | int) -> None:
        self._node = node
        self._subscription = node.create_subscription(kind, topic, lambda message: None, qos, callback_group=_NeverExecuted())

    def take(self, most: int = 8) -> Iterator[Any]:
        """What has arrived since, oldest first."""
        subscription = self._subscription
        for _ in range(most):
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, False)
            if taken is None:
                return
            yield taken[0]

    def destroy(self) -> None:
        """Let go; nobody may be taking."""
        self._node.destroy_subscription(self._subscription)
