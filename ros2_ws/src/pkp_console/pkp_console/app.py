"""The web application: routes, gate, refusals as named JSON, and the page itself."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from pkp_console.api import cases, imports, people, planning, procedure, runs, socket, xrays
from pkp_console.arrivals import Arrivals
from pkp_console.broadcast import Broadcast
from pkp_console.gate import Gate
from pkp_console.guard import COOKIE, Desk
from pkp_console.judging import RefusedMoveError
from pkp_console.refusals import BadRequestError, ConsoleError
from planning_core.case.folder import CaseInUseError
from planning_core.errors import AmbiguousError, InputError, PkpError

STATIC = Path(__file__).parent / "static"
UPLOADS = "/api/imports/"
CONFLICTS = ("not_planned_here", "case_in_use", "busy")
log = logging.getLogger(__name__)


def make_app(desk: Desk, port: int) -> FastAPI:
    """The application for one desk, answering under loopback names at ``port``."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        shutil.rmtree(desk.uploads, ignore_errors=True)  # what a console left that ended in the middle
        listen_for_scans(desk)
        yield
        desk.jobs.cancel_all()
        desk.judges.end()
        desk.room.end()

    app = FastAPI(title="OpenPKP console", openapi_url=None, docs_url=None, redoc_url=None, lifespan=life, redirect_slashes=False)
    app.state.desk = desk
    app.state.broadcast = Broadcast(desk.live, lambda: socket.snapshot(desk), desk.config.snapshot_hz)
    for module in (people, cases, imports, planning, xrays, procedure, runs, socket):
        app.include_router(module.router)
    app.add_exception_handler(PkpError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _internal)
    if STATIC.is_dir():
        app.mount("/assets", StaticFiles(directory=STATIC / "assets"), name="assets")

        @app.get("/", include_in_schema=False)
        def page() -> FileResponse:
            return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    app.add_middleware(Gate, hosts=hosts, json_bytes=desk.config.json_bytes, uploads={UPLOADS: desk.config.upload_bytes})
    return app


def listen_for_scans(desk: Desk) -> None:
    """From now on, and for what was received last before."""
    arrivals = Arrivals(desk.config, desk.store, desk.jobs, desk.uploads, desk.live.value)
    desk.live.when("received", arrivals.take)
    before = desk.live.value("received")
    if before is not None:
        arrivals.take(before)


def _status(error: PkpError) -> int:
    if isinstance(error, ConsoleError):
        return error.http_status
    if isinstance(error, (AmbiguousError, CaseInUseError)) or error.code in CONFLICTS:
        return 409
    return 400 if isinstance(error, InputError) else 409


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PkpError)
    if isinstance(error, RefusedMoveError):
        facts = error.data["refused"]
        return JSONResponse(facts, 409 if facts["code"] in CONFLICTS else 400)
    answer = JSONResponse(error.as_dict(), _status(error))
    if error.code == "not_signed_in":
        answer.delete_cookie(COOKIE, path="/api")
    return answer


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
    refusal = BadRequestError(f"the request is not understood: {'; '.join(problems)}", problems=problems)
    return JSONResponse(refusal.as_dict(), refusal.http_status)


async def _no_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    facts: dict[str, Any] = {"error": "HttpError", "code": f"http_{error.status_code}", "message": str(error.detail)}
    return JSONResponse(facts, error.status_code, headers=error.headers)


async def _internal(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error)
    message = "internal error; the console's log holds the lines to report"
    return JSONResponse({"error": "InternalError", "code": "internal", "message": message}, 500)
