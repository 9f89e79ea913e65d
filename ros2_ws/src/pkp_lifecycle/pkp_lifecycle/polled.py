"""Topics that a loop takes from by itself, past the executor.

An executor in Python rebuilds its wait set for every message, which at 125 Hz costs more than the control law, and hands the
message over late. A loop that comes round anyway takes what has arrived; the middleware's queue is the slot between threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile


class Polled:
    """One topic of a node that no executor spins.

    Args:
        node: see ``unspun``; an executor would take the messages itself. qos: its depth is the queue; 1 keeps the newest only.
    """

    def __init__(self, node: Node, kind: Any, topic: str, qos: QoSProfile | int) -> None:
        self._node = node
        self._subscription = node.create_subscription(kind, topic, lambda message: None, qos)

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


class Newest:
    """The newest message of a topic, looked for when it is asked for. Arguments as of :class:`Polled`."""

    def __init__(self, node: Node, kind: Any, topic: str, qos: QoSProfile | int = 1) -> None:
        self._polled = Polled(node, kind, topic, qos)
        self._last: Any | None = None

    def __call__(self) -> Any | None:
        """What was heard last, None where nothing was."""
        for message in self._polled.take():
            self._last = message
        return self._last


def unspun(name: str) -> Node:
    """A node beside the one that an executor spins, in the same process; whoever asks for it destroys it."""
    return Node(f"{name}_loop", use_global_arguments=False, enable_rosout=False, start_parameter_services=False)
