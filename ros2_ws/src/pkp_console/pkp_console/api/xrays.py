"""Cases of X-ray images: what there is to see of one, and planning on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pkp_lifecycle.worker import run_in_process
from pydantic import Field

from pkp_console.api.people import Question
from pkp_console.guard import AtDesk, Planning, Viewing
from pkp_console.store import read_object
from pkp_console.xray_work import LETTERS, OVERLAYS, XrayPlanJob, pictures_of, plan_xrays
from planning_core.anatomy.levels import VertebraLevel
from planning_core.case.revisions import NoPlanError, open_record
from planning_core.errors import PkpError
from planning_core.xray.plan import XrayPlan

router = APIRouter(prefix="/api")
TIMEOUT_S = 600.0
MOST_PIXELS = 1e5
Letter = Literal["a", "b", "c", "d", "e", "f", "g", "h"]
Pixel = Annotated[float, Field(ge=-1, le=MOST_PIXELS, allow_inf_nan=False)]
Place = tuple[Pixel, Pixel]
POINTS = ("body", "left", "right")


class Clicked(Question):
    """What was pointed at in one picture: (row, column) of the body's middle alone, or of both pedicles too; and of the body of
    a vertebra whose name is known."""

    body: Place
    left: Place | None = None
    right: Place | None = None
    known: Place | None = None


class XrayPlanQuestion(Question):
    """Which level to plan, what was pointed at, by picture, and the name of the vertebra that it is to be counted from."""

    level: Annotated[str, Field(min_length=1, max_length=8)]
    clicks: dict[Letter, Clicked] = Field(default_factory=dict)
    known: Annotated[str, Field(max_length=8)] = ""


@router.get("/cases/{case_id}/xrays")
def xrays(case_id: str, session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """The pictures, the lines over them from the last try, and the sealed plan where there is one.

    A plan that cannot be opened is None, with the refusal as ``problem``: the pictures can be planned on again.
    """
    case = desk.store.case(case_id)
    shown = pictures_of(case)
    plan: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    try:
        plan = open_record(case.path, XrayPlan).model_dump(mode="json", exclude={"configuration"})
    except NoPlanError:
        pass
    except PkpError as error:
        problem = error.as_dict()
    return {
        **shown,
        "levels": [level.value for level in VertebraLevel],
        "result": _lines_over(shown["pictures"], case.path / OVERLAYS),
        "plan": plan,
        "problem": problem,
    }


def _lines_over(pictures: list[dict[str, Any]], place: Path) -> dict[str, Any] | None:
    """What was found last, its lines in the order of the pictures they were drawn for; None where there are no such lines."""
    found = read_object(place) or {}
    views = found.get("views")
    lines = {str(view.get("sha256")): view for view in views if isinstance(view, dict)} if isinstance(views, list) else {}
    wanted = [str(picture.get("sha256")) for picture in pictures]
    if set(lines) != set(wanted):
        return None
    return {**found, "views": [lines[sha256] for sha256 in wanted]}


@router.get("/cases/{case_id}/xrays/{letter}", response_class=FileResponse)
def picture(case_id: str, letter: Letter, session: Viewing, desk: AtDesk) -> FileResponse:
    """One picture, grey, bone bright, pixel for pixel."""
    place = desk.store.file(case_id, "view", f"xray_{letter}.png")
    return FileResponse(place, media_type="image/png", headers={"cache-control": "private, no-cache"})


def words(asked: XrayPlanQuestion) -> tuple[str, ...]:
    """Clicks as the command takes them.

    Raises:
        UnknownLevelError: the vertebra to count from has no such name.
    """
    named = {point: point for point in POINTS}
    if asked.known:
        named["known"] = VertebraLevel.parse(asked.known).value
    return tuple(
        f"{letter}:{name}:{place[0]},{place[1]}"
        for letter in LETTERS
        if letter in asked.clicks
        for point, name in named.items()
        if (place := getattr(asked.clicks[letter], point)) is not None
    )


@router.post("/cases/{case_id}/xrays/plan", status_code=202)
def plan(case_id: str, asked: XrayPlanQuestion, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Begin to plan; the job tells its stages over the socket."""
    case = desk.store.case(case_id)
    pictures_of(case)
    level = VertebraLevel.parse(asked.level).value
    work = XrayPlanJob(str(case.path), level, words(asked), session.name)

    def do(told: Callable[[str, float], None], cancelled: Callable[[], bool]) -> str:
        return str(run_in_process(plan_xrays, (work,), told, cancelled, TIMEOUT_S))

    return desk.jobs.start("xray_plan", case_id, session.name, do).shown()
