"""Cases, their plans, and the files that the viewer loads."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from pkp_console.comparing import differences
from pkp_console.guard import AtDesk, Viewing
from pkp_console.refusals import NoSuchError
from pkp_console.store import SURFACES, VIEW, headline
from pkp_console.surfaces import stl_in_ras
from planning_core import __version__
from planning_core.anatomy.levels import VertebraLevel
from planning_core.case import audit
from planning_core.case.plan import DISCLAIMER
from planning_core.case.revisions import kept, open_plan
from planning_core.cement.products import PRODUCTS
from planning_core.errors import PkpError

router = APIRouter(prefix="/api")
File = Literal["ct", "quick", "thumbnail", "labels", "report.png", "report.html", "numbering"]
FILES: dict[str, tuple[str, str, str]] = {
    "ct": (VIEW, "ct.nii", "application/octet-stream"),
    "quick": (VIEW, "quick.nii", "application/octet-stream"),
    "thumbnail": (VIEW, "thumbnail.png", "image/png"),
    "labels": ("", "labels.nii.gz", "application/octet-stream"),
    "report.png": ("", "report.png", "image/png"),
    "report.html": ("", "report.html", "text/html"),
    "numbering": ("", "numbering.png", "image/png"),
}


@router.get("/about")
def about(session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """What the page's forms offer."""
    return {
        "version": __version__,
        "disclaimer": DISCLAIMER,
        "levels": [level.value for level in VertebraLevel],
        "products": list(PRODUCTS),
        "ros": desk.room.ros,
        "upload_bytes": desk.config.upload_bytes,
        "upload_files": desk.config.upload_files,
    }


@router.get("/cases")
def cases(session: Viewing, desk: AtDesk) -> list[dict[str, Any]]:
    """Every case, newest first."""
    return [desk.store.summary(case_id) for case_id in desk.store.ids()]


@router.get("/cases/{case_id}")
def case(case_id: str, session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """One case: its plans, what was done, and which files and surfaces there are."""
    held = desk.store.case(case_id)
    events = desk.store.events(held)
    try:
        audit.verify(held.path)
        chain: dict[str, Any] | None = None
    except PkpError as error:
        chain = error.as_dict()
    surfaces = held.path / SURFACES
    return {
        **desk.store.summary(case_id),
        "plans": [_told(plan, events) for plan in kept(held.path)],
        "events": [{k: v for k, v in e.items() if k not in ("hash", "previous")} for e in events],
        "audit_problem": chain,
        "files": [name for name, (folder, file, _) in FILES.items() if (held.path / folder / file).is_file()],
        "surfaces": sorted(p.stem for p in surfaces.glob("*.stl")) if surfaces.is_dir() else [],
    }


@router.get("/cases/{case_id}/plans/{plan_hash}")
def plan(case_id: str, plan_hash: str, session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """One sealed plan, its hash checked."""
    return open_plan(desk.store.case(case_id).path, plan_hash).model_dump(mode="json")


@router.get("/cases/{case_id}/compare/{first}/{second}")
def compare(case_id: str, first: str, second: str, session: Viewing, desk: AtDesk) -> dict[str, Any]:
    """What differs between two plans of a case."""
    held = desk.store.case(case_id).path
    return {"differences": differences(open_plan(held, first), open_plan(held, second))}


@router.get("/cases/{case_id}/files/{name}", response_class=FileResponse)
def file(case_id: str, name: File, session: Viewing, desk: AtDesk) -> FileResponse:
    """A file of the viewer, in ranges where asked for."""
    folder, stored, kind = FILES[name]
    place = desk.store.file(case_id, folder, stored)
    headers = {"cache-control": "private, no-cache"}
    if kind == "text/html":  # it has scripts of its own: it is saved and opened, never shown under the console's address
        return FileResponse(place, media_type=kind, filename=f"{case_id}-report.html", headers=headers)
    return FileResponse(place, media_type=kind, headers=headers)


@router.get("/cases/{case_id}/surfaces/{name}", response_class=Response)
def surface(case_id: str, name: str, session: Viewing, desk: AtDesk) -> Response:
    """A surface as binary STL in RAS mm, as the viewer draws; the file in the case is in ct_lps."""
    place: FilePath = desk.store.file(case_id, SURFACES, f"{name}.stl")
    content = stl_in_ras(place.read_bytes())
    if content is None:
        raise NoSuchError("the case's surface cannot be read", kind="surface")
    return Response(content, media_type="model/stl", headers={"cache-control": "private, no-cache"})


def _told(plan: Any, events: list[dict[str, Any]]) -> dict[str, Any]:
    """A plan's headline with who made and who approved it."""
    mine = [e for e in events if e.get("plan_hash") == plan.plan_hash]
    made = next((e for e in mine if e["event"] in ("revised", "planned_by", "planned")), {})
    by = next((e["by"] for e in mine if e["event"] in ("revised", "planned_by") and "by" in e), None)
    approvals = [
        {"by": e.get("by"), "at": e.get("at"), "supervisor": e.get("supervisor")} for e in mine if e["event"] == "approved"
    ]
    return {**headline(plan), "at": made.get("at"), "by": by, "of": made.get("of"), "approvals": approvals}
