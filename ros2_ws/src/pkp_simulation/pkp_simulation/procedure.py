"""One whole procedure as the operator carries it out, top to bottom: scan, register, position, verify, insert, inject, report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import attrs
from builtin_interfaces.msg import Time
from pkp_lifecycle import names
from pkp_lifecycle.units import metres
from pkp_msgs import msg
from pkp_msgs.action import Approach, IngestCt, Inject, PlanCase, Register
from pkp_supervisor.phases import Phase

from pkp_simulation.operator import Operator
from pkp_simulation.recovery import OnlyOutError, Recovery
from planning_core.errors import PkpError

PLAN_S, REGISTER_S, APPROACH_S, VERIFY_S, INJECT_S = 600.0, 300.0, 90.0, 30.0, 600.0
NODES_S, RELEASED_S, READ_S = 30.0, 10.0, 60.0
SCAN_STAGE, CHECK_STAGE = "waiting for the scan", "touch the check point"
"""Stages of the Register action at which a person has to do something."""


@attrs.frozen(eq=False)
class Subject:
    """Who is treated.

    Args:
        ct: what is ingested. series: of it; may be empty. case: folder of the plan.
        level: to treat. at_lps_mm: (3,) a point in it by the operator's word; None where the numbering needs none.
        planned: the case holds a sealed plan that is opened instead of planning anew.
    """

    ct: Path
    case: Path
    level: str
    series: str = ""
    at_lps_mm: tuple[float, float, float] | None = None
    planned: bool = False


class Hands(Protocol):
    """What people do in the room and no node can."""

    def hold_breath(self, held: bool) -> None:
        """The anaesthetist holds the breath, or lets it go."""

    def scan(self) -> None:
        """The radiographer starts a turn of the C-arm; returns at once, the images come by DICOM."""

    def scan_runs(self) -> None:
        """The radiographer looks at the C-arm; raises a PkpError where it or the push of its images failed."""

    def scan_over(self) -> None:
        """The radiographer waits until no turn of the C-arm is under way, whatever came of it."""

    def touch_check_point(self, touching: bool) -> None:
        """The surgeon holds the probe's tip on the check bead, or puts it away."""

    def release_arm(self) -> None:
        """Whoever stands at the arm's pendant releases a protective stop, if there is one."""

    def cement_mixed_at(self) -> Time:
        """When mixing of the cement in the injector began."""


@attrs.frozen
class SideDone:
    """One side as measured by the nodes: mm, degrees, ml, kPa."""

    side: str
    entry_mm: float
    target_mm: float
    angle_deg: float
    planned_ml: float
    delivered_ml: float
    peak_kpa: float


@attrs.define
class Done:
    """What is known so far; filled as the procedure goes on, so that a stop leaves what there was.

    Args:
        scanned_s: when a turn of the C-arm was last asked for, ROS time.
    """

    plan: msg.PlanReference = attrs.field(factory=msg.PlanReference)
    verdict: str = ""
    registration: msg.RegistrationResult | None = None
    scanned_s: float | None = None
    sides: list[SideDone] = attrs.field(factory=list)
    reported: bool = False
    stops: list[PkpError] = attrs.field(factory=list)


def carry_out(
    operator: Operator,
    hands: Hands,
    subject: Subject,
    done: Done,
    doses_ml: Callable[[msg.PlanReference], dict[str, float]],
    inserted: Callable[[str], None] = lambda side: None,
) -> None:
    """Carry it through; ``done`` says how far it came.

    Args:
        doses_ml: liquid for each side of a plan. inserted: told when the guide stands verified and the pin goes in.

    Raises:
        PkpError: a refusal, or more stops than ``recovery`` goes through.
    """
    operator.advance(Phase.INGEST, NODES_S)
    plan(operator, subject, done)

    def checked() -> None:
        if done.registration is not None:
            check(operator, hands, done.plan)

    recovery = Recovery(operator, hands.release_arm, checked, lambda: done.plan.plan_hash)
    done.stops = recovery.stops
    recovery.through(lambda: register(operator, hands, done))
    doses = doses_ml(done.plan)
    for side in done.plan.sides:
        try:
            done.sides.append(treat(operator, hands, recovery, done.plan, side, doses[side], inserted))
        except OnlyOutError:
            recovery.through(lambda side=side: withdraw(operator, done.plan, side))  # nobody is left on the pin
            raise
        recovery.through(lambda side=side: withdraw(operator, done.plan, side))
    operator.advance(Phase.REPORT)
    done.reported = True


def treat(
    operator: Operator,
    hands: Hands,
    recovery: Recovery,
    plan: msg.PlanReference,
    side: str,
    dose_ml: float,
    inserted: Callable[[str], None],
) -> SideDone:
    """One side, up to where the guide can be withdrawn. Arguments as of ``carry_out``."""
    seen = recovery.through(lambda: position(operator, hands, plan, side, inserted))
    hands.hold_breath(False)  # the sleeve is open now
    given = Inject.Result()
    if dose_ml > 0:  # a level that needs no cement may still be reached, for a biopsy
        mixed_at = hands.cement_mixed_at()
        given = recovery.through(lambda: inject(operator, plan, side, dose_ml, mixed_at))
    return SideDone(
        side,
        seen.entry_error * 1e3,
        seen.target_error * 1e3,
        seen.angle_error * 57.29577951308232,
        dose_ml,
        given.delivered_volume * 1e6,
        given.peak_pressure * 1e-3,
    )


def plan(operator: Operator, subject: Subject, done: Done) -> None:
    """Ingest, plan or open the plan, approve."""
    ct = operator.do(IngestCt, names.INGEST_CT, IngestCt.Goal(source=str(subject.ct), series=subject.series), PLAN_S).ct
    operator.advance(Phase.PLAN)
    goal = PlanCase.Goal(case_path=str(subject.case), level=subject.level)
    if not subject.planned:
        goal.source, goal.series, goal.ct_sha256 = str(subject.ct), subject.series, ct.ct_sha256
        goal.at = [] if subject.at_lps_mm is None else [metres(c) for c in subject.at_lps_mm]
    planned = operator.do(PlanCase, names.PLAN_CASE, goal, PLAN_S)
    done.plan, done.verdict = planned.plan, planned.verdict
    operator.advance(Phase.APPROVE)
    operator.approve(done.plan)


def register(operator: Operator, hands: Hands, done: Done) -> None:
    """One scan with the plate over the back, the breath held, the check bead touched."""
    stages: list[str] = []

    def heard(feedback: Register.Feedback) -> None:
        if feedback.stage in stages:
            hands.scan_runs()
            return
        stages.append(feedback.stage)
        if feedback.stage == SCAN_STAGE:
            done.scanned_s = operator.now_s()
            hands.scan()
        elif feedback.stage == CHECK_STAGE:
            hands.touch_check_point(True)

    operator.go_to(Phase.REGISTER)
    done.registration = None
    hands.scan_over()
    if done.scanned_s is not None:  # it is refused by a registration that begins before it was heard
        operator.until_read(done.scanned_s, READ_S)
    hands.hold_breath(True)
    try:
        operator.until_still(VERIFY_S)
        goal = Register.Goal(purpose=Register.Goal.REGISTER, plan=done.plan, method="plate", timeout=REGISTER_S)
        done.registration = operator.do(Register, names.REGISTER, goal, REGISTER_S + 10, heard).registration
    finally:
        hands.touch_check_point(False)
        hands.hold_breath(False)


def check(operator: Operator, hands: Hands, plan: msg.PlanReference) -> msg.RegistrationResult:
    """Touch the check bead again, as a re-arm needs it."""
    hands.touch_check_point(True)
    try:
        goal = Register.Goal(purpose=Register.Goal.CHECK, plan=plan, timeout=REGISTER_S)
        return operator.do(Register, names.REGISTER, goal, REGISTER_S + 10).registration
    finally:
        hands.touch_check_point(False)


def position(
    operator: Operator, hands: Hands, plan: msg.PlanReference, side: str, inserted: Callable[[str], None]
) -> msg.VerificationState:
    """Bring the guide to one path, follow the breath, hold the breath, verify, stop the arm, and bring the pin in."""
    if operator.stands_in(Phase.INSERT):  # where a re-arm leads only with the pin confirmed: the guide stays where it is
        return operator.verification or msg.VerificationState(side=side)
    hands.hold_breath(False)
    operator.go_to(Phase.APPROACH)
    operator.do(Approach, names.APPROACH, _approach(operator, Approach.Goal.APPROACH, plan, side), APPROACH_S)
    operator.advance(Phase.VERIFY)
    operator.until_verified(side, VERIFY_S)
    hands.hold_breath(True)
    operator.until_still(VERIFY_S)
    seen = operator.until_verified(side, VERIFY_S, operator.now_s())
    operator.advance(Phase.INSERT)
    inserted(side)
    operator.confirm_insertion(plan, side)
    return seen


def inject(operator: Operator, plan: msg.PlanReference, side: str, dose_ml: float, mixed_at: Time) -> Inject.Result:
    """The planned dose, or what of it was not given before a stop; the switch is held from when the injector is ready."""
    operator.go_to(Phase.INJECT)
    goal = Inject.Goal(plan=plan, side=side, epoch=operator.epoch, volume=dose_ml * 1e-6, mixed_at=mixed_at)
    operator.press(side, False)
    # it hears of a re-arm a moment after the supervisor has answered
    operator.wait("the injector to leave its stop", lambda: not _stopped(operator.injector), RELEASED_S)

    def heard(feedback: Inject.Feedback) -> None:
        seen = operator.injector
        if seen is not None and seen.side == side and seen.state == seen.READY:
            operator.press(side, True)

    try:
        return operator.do(Inject, names.INJECT, goal, INJECT_S, heard)
    finally:
        operator.press(side, False)


def _stopped(seen: msg.InjectorState | None) -> bool:
    return seen is not None and bool(seen.state == seen.STOPPED)


def withdraw(operator: Operator, plan: msg.PlanReference, side: str) -> None:
    """Straight back."""
    operator.go_to(Phase.WITHDRAW)
    operator.do(Approach, names.APPROACH, _approach(operator, Approach.Goal.WITHDRAW, plan, side), APPROACH_S)


def _approach(operator: Operator, purpose: int, plan: msg.PlanReference, side: str) -> Approach.Goal:
    return Approach.Goal(purpose=purpose, plan=plan, side=side, epoch=operator.epoch, timeout=APPROACH_S)
