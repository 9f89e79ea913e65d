"""Plan, move a path, keep a revision, approve, stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from pkp_supervisor.workflow import signature as signed
from pydantic import Field

from pkp_console.api.people import Pin, Question
from pkp_console.guard import AnyHand, AtDesk, Operating, Planning, Trying, Viewing
from pkp_console.judging import Move
from pkp_console.refusals import NotPlannedHereError, WrongPinError
from pkp_console.room import PlanPlace
from pkp_console.work import PlanJob
from planning_core.anatomy.levels import VertebraLevel
from planning_core.case import audit
from planning_core.case.revisions import open_plan
from planning_core.cement.products import find_product
from planning_core.errors import InputError

router = APIRouter(prefix="/api")
MOST_MM = 1e4
Coordinate = Annotated[float, Field(ge=-MOST_MM, le=MOST_MM, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate, Coordinate]
Word = Annotated[str, Field(min_length=1, max_length=64)]


class RefusedPlanError(InputError):
    """A plan that must not be carried out cannot be approved. Carries ``reasons``."""

    code = "refused_plan"


class PlanQuestion(Question):
    """What to plan; ``at``: a ct_lps point (mm) that the operator says lies in ``level``."""

    level: Word | None = None
    at: Point | None = None
    product: Word | None = None


class MoveQuestion(Question):
    """A path with its ends at new places, ct_lps mm."""

    plan_hash: Word
    side: Word
    kind: Word
    entry_mm: Point
    target_mm: Point


class Approval(Question):
    """The plan that the page showed, and the PIN of who is signed in."""

    plan_hash: Word
    pin: Pin


class StopQuestion(Question):
    """Why."""

    reason: Annotated[str, Field(max_length=200)] = "operator"


@router.post("/cases/{case_id}/plan", status_code=202)
def plan(case_id: str, asked: PlanQuestion, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Begin to plan; the job tells its stages over the socket."""
    case = desk.store.case(case_id)
    source = desk.store.source(case)
    if source is None:
        raise NotPlannedHereError("this case holds no CT: import it again", missing="ct")
    level = VertebraLevel.parse(asked.level).value if asked.level is not None else None
    if asked.product is not None:
        find_product(asked.product)
    work = PlanJob(str(case.path), str(source.path), source.series, level, asked.at, asked.product, session.name)

    def do(told: Callable[[str, float], None], cancelled: Callable[[], bool]) -> str:
        desk.judges.forget(case_id)
        try:
            return desk.planner.plan(work, told, cancelled)
        finally:
            desk.judges.forget(case_id)  # one that was begun meanwhile stands on what was asked before

    return desk.jobs.start("plan", case_id, session.name, do).shown()


@router.get("/jobs")
def jobs(session: Viewing, desk: AtDesk) -> list[dict[str, Any]]:
    """All work, oldest first."""
    return desk.jobs.shown()


@router.delete("/jobs/{job_id}")
def cancel(job_id: str, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Call work off."""
    return desk.jobs.cancel(job_id).shown()


@router.post("/cases/{case_id}/judge")
def warm_up(case_id: str, session: Trying, desk: AtDesk) -> dict[str, Any]:
    """Have the case modelled, so that moved paths are answered at once; returns when it is."""
    desk.judges.of(case_id).wait_ready()
    return {"ready": True}


@router.post("/cases/{case_id}/paths")
def move(case_id: str, asked: MoveQuestion, session: Trying, desk: AtDesk) -> dict[str, Any]:
    """What a moved path comes to; nothing is kept."""
    return desk.judges.of(case_id).ask(_move(asked))


@router.post("/cases/{case_id}/revisions", status_code=201)
def revise(case_id: str, asked: MoveQuestion, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Keep a moved path as a plan of its own; the plan it came from stays as it was sealed."""
    return desk.judges.of(case_id).ask(_move(asked, keep=True, by=session.name))


@router.post("/cases/{case_id}/approve")
def approve(case_id: str, asked: Approval, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Sign a plan with name and PIN; told to the supervisor where one is, recorded in the case in any event."""
    case = desk.store.case(case_id)
    plan = open_plan(case.path, asked.plan_hash)
    desk.brake.check(session.name)
    try:
        desk.users.check(session.name, asked.pin)
    except WrongPinError:
        desk.brake.failed(session.name)
        raise
    if plan.verdict == "refuse":
        raise RefusedPlanError("this plan's verdict is refuse: it cannot be approved", reasons=list(plan.reasons))
    signature = signed(plan.plan_hash, session.name)
    said: dict[str, Any] = {"supervisor": "absent"}
    if desk.room.supervised:
        sides = tuple(dict.fromkeys(p.side for p in plan.paths if p.kind == plan.paths[0].kind))
        place = PlanPlace(str(case.path), plan.plan_hash, plan.level, sides)
        answer = desk.room.decide("approve", plan=place, operator_id=session.name, signature=signature)
        word = "accepted" if answer["accepted"] else "refused"
        said = {"supervisor": word, "error_code": answer["error_code"], "error_msg": answer["error_msg"]}
    event = "approval_refused" if said["supervisor"] == "refused" else "approved"
    with case.writing():
        digest = audit.record(
            case.path, event, plan_hash=plan.plan_hash, level=plan.level, by=session.name, signature=signature, **said
        )
    return {"approved": event == "approved", "by": session.name, "plan_hash": plan.plan_hash, "audit_hash": digest, **said}


@router.post("/stop")
def stop(asked: StopQuestion, session: AnyHand, desk: AtDesk) -> dict[str, Any]:
    """Stop: anybody who is signed in may, whoever has the console."""
    return desk.room.stop(f"console/{session.name}", asked.reason or "operator")


def _move(asked: MoveQuestion, keep: bool = False, by: str = "") -> Move:
    return Move(asked.plan_hash, asked.side, asked.kind, asked.entry_mm, asked.target_mm, keep, by)
