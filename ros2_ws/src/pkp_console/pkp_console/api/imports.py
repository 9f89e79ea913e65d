"""Import by upload: the parts are streamed to disk under names of ours, then read in a process of their own."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from pkp_lifecycle.worker import run_in_process
from pydantic import Field

from pkp_console.api.people import Question
from pkp_console.api.xrays import Letter
from pkp_console.guard import AtDesk, Desk, Planning
from pkp_console.jobs import Job
from pkp_console.planners import import_in_process
from pkp_console.refusals import BadUploadError, BusyError, NoSuchError, TooLargeError
from pkp_console.work import ImportJob
from pkp_console.xray_work import LETTERS, XrayImportJob, import_xrays, show_frame, uploaded

router = APIRouter(prefix="/api")
KIND = "kind"
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
    place = desk.uploads
    place.mkdir(parents=True, exist_ok=True)
    if len(list(place.iterdir())) >= desk.config.imports_open:
        raise BusyError("other imports are not finished: finish or discard them first", job="import")
    folder = place / secrets.token_hex(8)
    folder.mkdir()
    (folder / KIND).write_text(asked.kind)
    if asked.kind in SINGLY:
        (folder / asked.kind).mkdir()
    return {"import_id": folder.name, "kind": asked.kind}


@router.put("/imports/{import_id}/parts/{number}")
async def part(import_id: str, number: Number, request: Request, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """One file, streamed to disk; the whole import has one limit."""
    folder = _folder(desk, import_id)
    kind = (folder / KIND).read_text()
    if kind not in SINGLY and number != 1:
        raise BadUploadError(f"an import of kind {kind} is one file")
    most = len(LETTERS) if kind == "xray" else desk.config.upload_files
    if number > most:
        raise TooLargeError(f"at most {most} files", limit_files=most)
    names = {"zip": "upload.zip", **{one: f"{one}/{number:06d}.dcm" for one in SINGLY}}
    place = folder / names.get(kind, f"ct.{kind}")
    left = desk.config.upload_bytes - sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f != place)
    written = 0
    with place.open("wb") as file:
        async for piece in request.stream():
            written += len(piece)
            if written > left:
                file.truncate(0)
                raise TooLargeError("the import is larger than its limit", limit_bytes=desk.config.upload_bytes)
            file.write(piece)
    return {"bytes": written}


@router.post("/imports/{import_id}/finish", status_code=202)
def finish(import_id: str, asked: Finish, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Read what was sent; the job's result is the case's id. After a refusal that asks for a choice it may be
    finished again."""
    folder = _folder(desk, import_id)
    config = desk.config
    kind = (folder / KIND).read_text()
    frames = tuple(f"{letter}:{frame}" for letter, frame in asked.frames.items())
    xrays = XrayImportJob(str(folder / "xray"), str(desk.store.root), session.name, frames)
    work = ImportJob(
        str(folder),
        kind,
        asked.series,
        str(desk.store.root),
        session.name,
        config.unpacked_bytes,
        config.upload_files,
    )

    def after(job: Job) -> None:
        refused = job.refusal["code"] if job.refusal else None
        if refused not in AGAIN:
            shutil.rmtree(folder, ignore_errors=True)
        if job.result is not None:
            desk.judges.forget(job.result)
            job.case = job.result

    def do(told: Any, cancelled: Any) -> str:
        if kind == "xray":
            return str(run_in_process(import_xrays, (xrays,), told, cancelled, TIMEOUT_S))
        return import_in_process(work, told, cancelled, TIMEOUT_S)

    return desk.jobs.start("import", f"import {import_id}", session.name, do, after).shown()


@router.get("/imports/{import_id}/frames/{letter}/{number}")
def frame(
    import_id: str, letter: Letter, number: Annotated[int, PathParameter(ge=0, le=99_999)], session: Planning, desk: AtDesk
) -> Response:
    """PNG of one frame of an uploaded X-ray run, to choose by."""
    folder = _folder(desk, import_id) / "xray"
    places = uploaded(folder) if folder.is_dir() else []
    which = LETTERS.index(letter)
    if which >= len(places):
        raise NoSuchError("there is no such picture", kind="picture")
    png = run_in_process(show_frame, (str(places[which]), number), lambda *_: None, lambda: False, SHOW_S)
    return Response(png, media_type="image/png", headers={"cache-control": "private, no-store"})


@router.delete("/imports/{import_id}")
def discard(import_id: str, session: Planning, desk: AtDesk) -> dict[str, Any]:
    """Throw an import away."""
    shutil.rmtree(_folder(desk, import_id), ignore_errors=True)
    return {"discarded": True}


def _folder(desk: Desk, import_id: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{16}", import_id) or not (desk.uploads / import_id / KIND).is_file():
        raise NoSuchError("there is no such import", kind="import")
    return desk.uploads / import_id
