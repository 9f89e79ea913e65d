"""What the positioning is asked, where it stands and how it ended."""

from __future__ import annotations

from enum import StrEnum

import attrs

from pkp_control.compensation import Goal


class Purpose(StrEnum):
    """Which way a goal leads, and the phases in which it may move the arm."""

    APPROACH = "approach"
    WITHDRAW = "withdraw"

    @property
    def begins_in(self) -> str:
        """The phase in which such a goal may begin."""
        return self.name

    @property
    def moves_in(self) -> tuple[str, ...]:
        """The phases in which it may go on: the guide follows the patient while it is judged."""
        return ("APPROACH", "VERIFY") if self is Purpose.APPROACH else ("WITHDRAW",)


class Stage(StrEnum):
    """Where the positioning stands. Setpoints go out in FREE, SETTLE, ADVANCE, HOLD, RETREAT and BRAKE only."""

    IDLE = "idle"
    LOCATE = "locate"
    PLAN = "plan"
    FREE = "free way"
    SETTLE = "settle"
    ADVANCE = "advance"
    HOLD = "hold"
    RETREAT = "retreat"
    BRAKE = "brake"
    PAUSED = "paused"
    FAULT = "fault"


RESTING = (Stage.IDLE, Stage.PAUSED, Stage.FAULT)


@attrs.frozen(eq=False)
class Order:
    """One goal, given under one epoch for one side of one plan.

    Args:
        number: identity. timeout_s: of the whole.
        goal: what to hold, for an approach. skin_mm: guide's mouth to the skin at the planned place, where known.
        registered_s: monotonic time of the newest measurement behind the registration.
    """

    number: int
    purpose: Purpose
    plan_hash: str
    side: str
    epoch: int
    timeout_s: float
    goal: Goal | None = None
    skin_mm: float | None = None
    registered_s: float = float("-inf")


@attrs.frozen
class Outcome:
    """How a goal ended. ``code`` is empty where it was reached; lengths mm, angle rad, by the arm's own joints."""

    number: int
    code: str
    message: str
    entry_mm: float = float("nan")
    target_mm: float = float("nan")
    angle_rad: float = float("nan")
