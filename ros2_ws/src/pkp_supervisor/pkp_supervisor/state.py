"""Everything the supervisor knows, and what it permits."""

from __future__ import annotations

import attrs

from pkp_supervisor import events
from pkp_supervisor.phases import INTERLOCKS, LATCHED, Phase


@attrs.frozen
class Freshness:
    """How old evidence may be when it is relied on, s. Both assumed.

    Args:
        registration_check_s: between the check's measurement and the re-arm that leans on it.
        verification_s: between the pose judged and the step to insertion.
    """

    registration_check_s: float = 60.0
    verification_s: float = 0.5


@attrs.frozen
class State:
    """Everything the supervisor knows.

    Args:
        epoch: counts stops; goals and commands given under an older one are void.
        stopped_in: where a latched stop caught it.
        register_since_s: when the phase of registration was entered last: what was measured before is not its.
        registered_s, verified_s: when the accepted measurement was taken; None without one.
        checked_s: an accepted registration (check) measured since the last stop.
    """

    phase: Phase = Phase.PREFLIGHT
    epoch: int = 0
    stopped_in: Phase | None = None
    reason: str = ""
    acknowledged_by: str = ""
    silent: tuple[str, ...] = ("all",)
    ct_sha256: str = ""
    plan: events.PlanSeen | None = None
    approved_by: str = ""
    register_since_s: float = 0.0
    registered_s: float | None = None
    checked_s: float | None = None
    stopped_s: float = 0.0
    verified_s: float | None = None
    side: str = ""
    inserted: bool = False
    plunger_still: bool = False
    sides_done: tuple[str, ...] = ()

    @property
    def latched(self) -> bool:
        """Whether a stop holds."""
        return self.phase in LATCHED

    @property
    def plan_hash(self) -> str:
        """Of the plan that counts; empty before there is one."""
        return "" if self.plan is None else self.plan.plan_hash

    @property
    def sides_left(self) -> tuple[str, ...]:
        """Paths of the plan that are still to be taken."""
        return () if self.plan is None else tuple(s for s in self.plan.sides if s not in self.sides_done)

    @property
    def motion_permitted(self) -> bool:
        """Whether the arm may move: phase, approval and, but for the way out, registration; never while a stop is latched."""
        lock = INTERLOCKS[self.phase]
        return lock.motion and bool(self.approved_by) and (self.registered_s is not None or not lock.registered)

    @property
    def flow_permitted(self) -> bool:
        """Whether the plunger may advance: as for motion, and the pin is in."""
        return INTERLOCKS[self.phase].flow and bool(self.approved_by) and self.registered_s is not None and self.inserted
