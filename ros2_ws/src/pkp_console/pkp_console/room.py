"""The room as the console reaches it: what the supervisor is asked. Without ROS there is an empty room."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from pkp_console.refusals import NoSupervisorError


@attrs.frozen
class PlanPlace:
    """A sealed plan by place and hash, as the supervisor is shown it."""

    case_path: str
    plan_hash: str
    level: str
    sides: tuple[str, ...]


class Room(Protocol):
    """What can be asked of the room; every call answers within the console's time limit or raises ``NoSupervisorError``."""

    @property
    def supervised(self) -> bool:
        """Whether a supervisor answers."""

    @property
    def ros(self) -> bool:
        """Whether the console is a ROS node at all."""

    def stop(self, source: str, reason: str) -> dict[str, Any]:
        """Stop everything and latch."""

    def approve(self, plan: PlanPlace, operator: str, signature: str) -> dict[str, Any]:
        """Sign a plan: ``accepted``, ``audit_hash``, ``error_code``, ``error_msg``."""

    def end(self) -> None:
        """Leave."""


class EmptyRoom:
    """Nothing runs: plans can be made, nothing can move."""

    supervised = False
    ros = False

    def stop(self, source: str, reason: str) -> dict[str, Any]:
        """There is nobody to ask."""
        raise NoSupervisorError("no supervisor is running: there is nothing to stop from here")

    def approve(self, plan: PlanPlace, operator: str, signature: str) -> dict[str, Any]:
        """There is nobody to ask."""
        raise NoSupervisorError("no supervisor is running")

    def end(self) -> None:
        """Nothing to leave."""
