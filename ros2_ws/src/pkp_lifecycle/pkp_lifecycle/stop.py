"""How a node asks the supervisor for a stop; its own device it stops by itself, before and whatever the answer."""

from __future__ import annotations

import time
from typing import Any

from pkp_msgs.srv import Stop

from pkp_lifecycle import names
from pkp_lifecycle.node import PkpNode

ASK_AGAIN_S = 0.5
"""However often a stop is wanted, it is asked for no more often than this."""


class StopAsker:
    """Calls ``/supervisor/stop`` in the node's name, without waiting."""

    def __init__(self, node: PkpNode[Any]) -> None:
        self._node = node
        self._client = node.create_client(Stop, names.STOP)
        self._asked_s = -ASK_AGAIN_S

    def ask(self, reason: str) -> None:
        """Ask, unless it was just asked; a supervisor that does not hear it is silent, and silence is a stop."""
        now_s = time.monotonic()
        if now_s - self._asked_s < ASK_AGAIN_S:
            return
        self._asked_s = now_s
        self._node.get_logger().error(f"asks for a stop: {reason}")
        if self._client.service_is_ready():
            self._client.call_async(Stop.Request(source=self._node.get_name(), reason=reason))

    def destroy(self) -> None:
        """Let go."""
        self._node.destroy_client(self._client)
