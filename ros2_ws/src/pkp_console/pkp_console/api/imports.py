"""Import by upload: the parts are streamed to disk under names of ours, then read in a process of their own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from pkp_lifecycle.worker import run_in_process
from pydantic import Field

from pkp_console.api.people import Question
from pkp_console.api.xrays import Letter
from pkp_console.guard import AtDesk, Planning
from pkp_console.jobs import Job
from pkp_console.planners import import_in_process
from pkp_console.refusals import BadUploadError, NoSuchError, TooLargeError
from pkp_console.work import ImportJob
from pkp_console.xray_work import LETTERS, XrayImportJob, import_xrays, show_frame, uploaded

router = APIRouter(prefix="/api")
TIMEOUT_S, SHOW_S = 600.0, 60.0
AGAIN = ("ambiguous_series", "ambiguous_frame")
"""Refusals after which the same upload may be finished again, with a choice."""
SINGLY = ("dicom", "xray")
"""Kinds of which file after file comes."""
Number = Annotated[int, PathParameter(ge=1, le=99_999)]
Frame = Annotated[int, Field(ge=0, le=99_999)]


class Begin(Question):
    """What is coming: a zip of DICOM files, DICOM files one by one, one NIfTI, or X-ray images (DICOM) one by one."""

    kind: Literal["zip", "dicom", "nii", "nii.gz", "xray"]


class Finish(Question):
    """All parts are there. ``series``: which, where an earlier try found several; ``frames``: which one of each X-ray run."""

    series: Annotated[str, Field(max_length=64, pattern=r"^[0-9.]+$")] | None = None
    frames: dict[Letter, Frame] = Field(default_factory=dict)


@router.post("/imports", status_code=201)
def begin(asked: Begin, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """A place for the parts."""
    upload = desk.imports.begin(asked.kind, session.name)
    if upload.kind in SINGLY:
        (upload.folder / upload.kind).mkdir()
    return {"import_id": upload.id, "kind": upload.kind}


@router.get("/imports")
def mine(session: Planning, desk: AtDesk) -> list[dict[str, Any]]:
    """One's own imports that are not ended, oldest first."""
    return desk.imports.shown(session.name)


@router.put("/imports/{import_id}/parts/{number}")
async def part(import_id: str, number: Number, request: Request, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """One file, streamed to disk; the whole import has one limit."""
    upload = desk.imports.find(import_id)
    if upload.kind not in SINGLY and number != 1:
        raise BadUploadError(f"an import of kind {upload.kind} is one file")
    most = len(LETTERS) if upload.kind == "xray" else desk.config.upload_files
    if number > most:
        raise TooLargeError(f"at most {most} files", limit_files=most)
    names = {"zip": "upload.zip", **{one: f"{one}/{number:06d}.dcm" for one in SINGLY}}
    written = 0
    with desk.imports.receiving(upload, number, upload.folder / names.get(upload.kind, f"ct.{upload.kind}")) as write:
        async for piece in request.stream():
            write(piece)
            written += len(piece)
    return {"bytes": written}


@router.post("/imports/{import_id}/finish", status_code=202)
def finish(import_id: str, asked: Finish, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Read what was sent; the job's result is the case's id. After a refusal that asks for a choice it may be
    finished again."""
    upload, config = desk.imports.find(import_id), desk.config
    frames = tuple(f"{letter}:{frame}" for letter, frame in asked.frames.items())
    xrays = XrayImportJob(str(upload.folder / "xray"), str(desk.store.root), session.name, frames)
    work = ImportJob(
        str(upload.folder),
        upload.kind,
        asked.series,
        str(desk.store.root),
        session.name,
        config.unpacked_bytes,
        config.upload_files,
    )

    def after(job: Job) -> None:
        refused = job.refusal["code"] if job.refusal else None
        if refused in AGAIN:
            desk.imports.give_back(upload)
        else:
            desk.imports.end(upload)
        if job.result is not None:
            desk.judges.forget(job.result)
            job.case = job.result

    def do(told: Any, cancelled: Any) -> str:
        if upload.kind == "xray":
            return str(run_in_process(import_xrays, (xrays,), told, cancelled, TIMEOUT_S))
        return import_in_process(work, told, cancelled, TIMEOUT_S)

    desk.imports.read(upload)
    return desk.jobs.start("import", f"import {import_id}", session.name, do, after).shown()


@router.get("/imports/{import_id}/frames/{letter}/{number}")
def frame(
    import_id: str, letter: Letter, number: Annotated[int, PathParameter(ge=0, le=99_999)], session: Planning, desk: AtDesk
) -> Response:
    """PNG of one frame of an uploaded X-ray run, to choose by."""
    folder = desk.imports.find(import_id).folder / "xray"
    places = uploaded(folder) if folder.is_dir() else []
    which = LETTERS.index(letter)
    if which >= len(places):
        raise NoSuchError("there is no such picture", kind="picture")
    png = run_in_process(show_frame, (str(places[which]), number), lambda *_: None, lambda: False, SHOW_S)
    return Response(png, media_type="image/png", headers={"cache-control": "private, no-store"})


@router.delete("/imports/{import_id}")
def discard(import_id: str, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Throw an import away."""
    desk.imports.discard(desk.imports.find(import_id))
    return {"discarded": True}
