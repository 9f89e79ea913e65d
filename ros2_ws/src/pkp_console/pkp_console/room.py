"""The room as the console reaches it: decisions for the supervisor, goals for the nodes. Without ROS there is an empty room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import attrs

from pkp_console.hold import HoldSwitch
from pkp_console.refusals import NoSupervisorError

Decision = Literal["approve", "acknowledge", "rearm", "advance", "confirm_insertion"]
Goal = Literal["ingest", "open_plan", "register", "check", "approach", "withdraw", "inject"]


@attrs.frozen
class PlanPlace:
    """A sealed plan by place and hash, as the supervisor is shown it."""

    case_path: str
    plan_hash: str
    level: str
    sides: tuple[str, ...]

    @classmethod
    def of(cls, heard: dict[str, Any]) -> PlanPlace:
        """From a PlanReference that was heard."""
        return cls(heard["case_path"], heard["plan_hash"], heard["level"], tuple(heard["sides"]))


class Room(Protocol):
    """What can be asked of the room; every call answers within the console's time limit or raises ``NoSupervisorError``."""

    hold: HoldSwitch

    @property
    def supervised(self) -> bool:
        """Whether a supervisor answers."""

    @property
    def ros(self) -> bool:
        """Whether the console is a ROS node at all."""

    @property
    def description(self) -> str:
        """The room's URDF; empty while nobody told."""

    def stop(self, source: str, reason: str) -> dict[str, Any]:
        """Stop everything and latch."""

    def decide(self, what: Decision, **facts: Any) -> dict[str, Any]:
        """Ask the supervisor for something: ``accepted``, ``error_code``, ``error_msg`` and what else it answers."""

    def begin(self, goal: Goal, by: str, **facts: Any) -> dict[str, Any]:
        """Give a node a goal; what becomes of it is told under ``task`` in the live store.

        Raises:
            BusyTaskError: one is being followed. NoSupervisorError: the node is not there.
        """

    def call_off(self) -> dict[str, Any]:
        """Cancel the goal that is being followed."""

    def acknowledge_alarm(self, code: str, by: str) -> bool:
        """Somebody has seen an alarm."""

    def end(self) -> None:
        """Leave."""


class EmptyRoom:
    """Nothing runs: plans can be made, nothing can move."""

    supervised = False
    ros = False
    description = ""

    def __init__(self) -> None:
        self.hold = HoldSwitch()

    def stop(self, source: str, reason: str) -> dict[str, Any]:
        """There is nobody to ask."""
        raise NoSupervisorError("no supervisor is running: there is nothing to stop from here")

    def decide(self, what: Decision, **facts: Any) -> dict[str, Any]:
        """There is nobody to ask."""
        raise NoSupervisorError("no supervisor is running")

    def begin(self, goal: Goal, by: str, **facts: Any) -> dict[str, Any]:
        """There is nobody to ask."""
        raise NoSupervisorError("no room is running")

    def call_off(self) -> dict[str, Any]:
        """There is nobody to ask."""
        raise NoSupervisorError("no room is running")

    def acknowledge_alarm(self, code: str, by: str) -> bool:
        """There are none."""
        return False

    def end(self) -> None:
        """Nothing to leave."""


Note = Callable[[str, dict[str, Any]], None]
"""Writes an event and its facts down."""
