"""The procedure: decisions for the supervisor, goals for the nodes, alarms, the room's description."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pkp_supervisor.phases import INTERLOCKS, Phase
from pkp_supervisor.workflow import TABLE
from pydantic import Field

from pkp_console.api.people import Question
from pkp_console.guard import AnyHand, AtDesk, Desk, Operating, Viewing
from pkp_console.refusals import DecisionRefusedError, NoSuchError, NothingHeardError, NotPlannedHereError
from pkp_console.room import Decision, Goal, PlanPlace
from planning_core.case import audit
from planning_core.case.revisions import NEWEST, newest, open_plan

router = APIRouter(prefix="/api/room")
MOST_ML = 8.0
MOST_MIXED_S = 3600.0
Epoch = Annotated[int, Field(ge=0, lt=2**63)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Side = Annotated[str, Field(pattern="^(left|right)$")]


class AtEpoch(Question):
    """What the page showed as the number of stops: a click meant for an older one does nothing."""

    epoch: Epoch


class AdvanceQuestion(AtEpoch):
    """``to``: a phase by name."""

    to: Annotated[str, Field(pattern="^[a-z]{2,16}$")]


class CaseQuestion(Question):
    """A case, and the sealed plan of it that is meant."""

    case_id: Word
    plan_hash: Annotated[str, Field(max_length=64)] = ""


class RegisterQuestion(AtEpoch):
    """By what the patient is found: the plate in a scan, balls on the skin, or the bare bone."""

    method: Annotated[str, Field(pattern="^(plate|points|surface)$")] = "plate"


class SideQuestion(AtEpoch):
    """The side that the page showed as being worked on."""

    side: Side


class InjectQuestion(SideQuestion):
    """What to deliver there, and how long ago mixing began."""

    volume_ml: Annotated[float, Field(gt=0, le=MOST_ML, allow_inf_nan=False)]
    mixed_ago_s: Annotated[float, Field(ge=0, le=MOST_MIXED_S, allow_inf_nan=False)]


class AlarmQuestion(Question):
    """One alarm by its code."""

    code: Annotated[str, Field(min_length=1, max_length=80)]


@router.get("/workflow")
def workflow(session: Viewing) -> dict[str, Any]:
    """Which phase follows which, and on what: for the page's checklist."""
    return {
        "phases": [p.name.lower() for p in Phase],
        "table": [{"from": int(a), "to": int(b), "needs": list(needs)} for a, b, needs in TABLE],
        "interlocks": {int(p): {"motion": i.motion, "flow": i.flow, "needs": list(i.needs)} for p, i in INTERLOCKS.items()},
    }


@router.get("/description", response_class=Response)
def description(session: Viewing, desk: AtDesk) -> Response:
    """The room's URDF."""
    if not desk.room.description:
        raise NoSuchError("the room has not been described yet", kind="description")
    return Response(desk.room.description, media_type="application/xml", headers={"cache-control": "private, no-cache"})


@router.get("/plan")
def plan(session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """The sealed plan in hand, and the case of this console that holds it (None: it lies elsewhere)."""
    place = _plan_in_hand(desk)
    found = open_plan(Path(place.case_path), place.plan_hash)
    mine = next((i for i in desk.store.ids() if str(desk.store.case(i).path) == place.case_path), None)
    return {"case_id": mine, "plan": found.model_dump(mode="json")}


@router.post("/advance")
def advance(asked: AdvanceQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Go on to the next phase, if all that it needs is there."""
    names = {p.name.lower(): p for p in Phase}
    if asked.to not in names:
        raise NoSuchError("there is no such phase", kind="phase")
    return _decided(desk, "advance", operator_id=session.name, phase=int(names[asked.to]), epoch=asked.epoch)


@router.post("/acknowledge")
def acknowledge(asked: AtEpoch, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """The operator has seen why it was stopped."""
    return _decided(desk, "acknowledge", operator_id=session.name, epoch=asked.epoch)


@router.post("/rearm")
def rearm(asked: AtEpoch, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Leave a latched stop; starts nothing. Bound to the plan in hand."""
    plan_hash = (desk.live.value("phase") or {}).get("plan", {}).get("plan_hash", "")
    return _decided(desk, "rearm", operator_id=session.name, epoch=asked.epoch, plan_hash=plan_hash)


@router.post("/confirm_insertion")
def confirm(asked: SideQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """The pin is in."""
    place = _plan_in_hand(desk)
    pin = {"side": asked.side, "plan_hash": place.plan_hash, "epoch": asked.epoch}
    return _decided(desk, "confirm_insertion", operator_id=session.name, **pin)


@router.post("/goals/ingest", status_code=202)
def ingest(asked: CaseQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Have the case's CT read as the procedure's."""
    source = desk.store.source(desk.store.case(asked.case_id))
    if source is None:
        raise NotPlannedHereError("this case holds no CT: import it again", missing="ct")
    return desk.room.begin("ingest", session.name, source=str(source.path), series=source.series or "")


@router.post("/goals/open_plan", status_code=202)
def open_sealed(asked: CaseQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Take a sealed plan of a case as the procedure's. The planner opens a case's newest: an older one is made that first."""
    case = desk.store.case(asked.case_id)
    wanted = open_plan(case.path, asked.plan_hash)
    first = newest(case.path)
    if first is None or first.plan_hash != wanted.plan_hash:
        with case.writing():
            case.write(NEWEST, wanted.to_json().encode())
            audit.record(case.path, "chosen", level=wanted.level, plan_hash=wanted.plan_hash, by=session.name)
        desk.judges.forget(asked.case_id)
    return desk.room.begin("open_plan", session.name, case_path=str(case.path), level=wanted.level)


@router.post("/goals/register", status_code=202)
def register(asked: RegisterQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Tie the plan to the patient."""
    return _begin(desk, "register", session.name, asked, method=asked.method)


@router.post("/goals/check", status_code=202)
def check(asked: AtEpoch, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Measure the check point again."""
    return _begin(desk, "check", session.name, asked)


@router.post("/goals/approach", status_code=202)
def approach(asked: SideQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Bring the guide to the path."""
    return _begin(desk, "approach", session.name, asked, side=asked.side)


@router.post("/goals/withdraw", status_code=202)
def withdraw(asked: SideQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Straight back along the tool's own axis."""
    return _begin(desk, "withdraw", session.name, asked, side=asked.side)


@router.post("/goals/inject", status_code=202)
def inject(asked: InjectQuestion, session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Arm the injector for a side: cement flows only while the switch is held."""
    facts = {"side": asked.side, "volume_ml": asked.volume_ml, "mixed_ago_s": asked.mixed_ago_s}
    return _begin(desk, "inject", session.name, asked, **facts)


@router.delete("/goals")
def call_off(session: Operating, desk: AtDesk) -> dict[str, Any]:
    """Cancel what is being carried out."""
    return desk.room.call_off()


@router.post("/alarms/acknowledge")
def acknowledge_alarm(asked: AlarmQuestion, session: AnyHand, desk: AtDesk) -> dict[str, Any]:
    """An alarm was seen: its sound ends; it is logged who did it."""
    if not desk.room.acknowledge_alarm(asked.code, session.name):
        raise NoSuchError("there is no such alarm now", kind="alarm")
    return {"acknowledged": asked.code}


def _begin(desk: Desk, goal: Goal, by: str, asked: AtEpoch, **facts: Any) -> dict[str, Any]:
    safety = desk.live.value("safety")
    if safety is None:
        raise NothingHeardError("the supervisor has not been heard", topic="safety")
    if safety["epoch"] != asked.epoch:
        raise DecisionRefusedError("that was meant for the time before the last stop: look again", refused_code="old_epoch")
    return desk.room.begin(goal, by, plan=_plan_in_hand(desk), epoch=asked.epoch, **facts)


def _plan_in_hand(desk: Desk) -> PlanPlace:
    """The plan that the supervisor works with.

    Raises:
        NothingHeardError: none yet.
    """
    heard = (desk.live.value("phase") or {}).get("plan") or {}
    if not heard.get("plan_hash"):
        raise NothingHeardError("the room has no plan in hand yet", topic="plan")
    return PlanPlace.of(heard)


def _decided(desk: Desk, what: Decision, **facts: Any) -> dict[str, Any]:
    answer = desk.room.decide(what, **facts)
    if not answer["accepted"]:
        more = {"waits_for": answer["waits_for"]} if answer.get("waits_for") else {}
        raise DecisionRefusedError(answer["error_msg"], refused_code=answer["error_code"], **more)
    return answer
