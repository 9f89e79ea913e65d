"""Procedures that were recorded: report, files to take away, and the replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse, Response

from pkp_console.guard import AnyHand, AtDesk, Viewing
from pkp_console.planners import replay_in_process, report_in_process
from pkp_console.refusals import NoSuchError

router = APIRouter(prefix="/api/runs")
Seconds = Annotated[float, Path(ge=0, le=1e6, allow_inf_nan=False)]


@router.get("")
def runs(session: Viewing, desk: AtDesk) -> list[dict[str, Any]]:
    """Every run, newest first."""
    return [desk.runs.summary(run_id) for run_id in desk.runs.ids()]


@router.get("/{run_id}")
def run(run_id: str, session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """One run, and what its audit chain says."""
    return {**desk.runs.summary(run_id), "events": desk.runs.events(run_id)}


@router.post("/{run_id}/replay", status_code=202)
def make_ready(run_id: str, session: AnyHand, desk: AtDesk) -> dict[str, Any]:
    """Read the record, in a process of its own."""
    job = desk.runs.job(run_id)

    def do(told: Callable[[str, float], None], cancelled: Callable[[], bool]) -> str:
        read = replay_in_process(job, told, cancelled, desk.config.plan_timeout_s)
        desk.runs.made(job)
        return read

    return desk.jobs.start("replay", None, session.name, do).shown()


@router.post("/{run_id}/report", status_code=202)
def write(run_id: str, session: AnyHand, desk: AtDesk) -> dict[str, Any]:
    """Write the run's report, in a process of its own."""
    job = desk.runs.job(run_id)

    def do(told: Callable[[str, float], None], cancelled: Callable[[], bool]) -> str:
        return report_in_process(job, told, cancelled, desk.config.plan_timeout_s)

    return desk.jobs.start("report", None, session.name, do).shown()


@router.get("/{run_id}/course")
def course(run_id: str, session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """Phases, stops, registrations and curves."""
    return desk.runs.replay(run_id).course


@router.get("/{run_id}/at/{seconds}", response_class=Response)
def at(run_id: str, seconds: Seconds, session: Viewing, desk: AtDesk) -> Response:
    """The snapshot of one moment, as the live socket would have sent it."""
    return Response(desk.runs.replay(run_id).at(seconds), media_type="application/json")


@router.get("/{run_id}/description", response_class=Response)
def description(run_id: str, session: Viewing, desk: AtDesk) -> Response:
    """The room's URDF as recorded."""
    text = desk.runs.replay(run_id).description
    if not text:
        raise NoSuchError("the record holds no description of the room", kind="description")
    return Response(text, media_type="application/xml")


@router.get("/{run_id}/files/{name}", response_class=FileResponse)
def file(run_id: str, name: str, session: Viewing, desk: AtDesk) -> FileResponse:
    """A file to take away; never shown under the console's address."""
    place = desk.runs.file(run_id, name)
    headers = {"cache-control": "private, no-cache"}
    return FileResponse(place, media_type="application/octet-stream", filename=f"{run_id}-{name}", headers=headers)
