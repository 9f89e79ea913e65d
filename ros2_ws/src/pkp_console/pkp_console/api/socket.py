"""The live socket: the newest snapshot at display rate to each page, and the page's signs of life and hold-to-run presses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Annotated, Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pkp_console.broadcast import Broadcast
from pkp_console.guard import COOKIE, Desk
from pkp_console.hold import Press
from pkp_console.refusals import ConsoleError
from pkp_console.sessions import Session
from pkp_console.users import Role

router = APIRouter()
PROTOCOL = "pkp.live"
TOKEN_PREFIX = "csrf."
SLOWEST_S = 10.0


class HoldWord(BaseModel):
    """One word of the page's hold-to-run button; ``at``: the ``at`` of the newest snapshot that it shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    grip: Annotated[int, Field(ge=0, lt=2**53)]
    side: Annotated[str, Field(pattern="^(left|right)$")]
    epoch: Annotated[int, Field(ge=0, lt=2**63)]
    at: float


class PageWord(BaseModel):
    """What a page says; anything else ends its socket."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    beat: int | None = None
    hold: HoldWord | None = None
    release: Annotated[int, Field(ge=0, lt=2**53)] | None = None


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Snapshots out; beats, presses and releases in. The session's token comes as a second subprotocol, as a browser can send
    no header.

    A page that reads slowly gets fewer snapshots, never older ones: the next is made when the last has gone out. When the
    socket ends, whatever its page held is let go.
    """
    desk: Desk = socket.app.state.desk
    offered = [p.strip() for p in socket.headers.get("sec-websocket-protocol", "").split(",")]
    token = next((p.removeprefix(TOKEN_PREFIX) for p in offered if p.startswith(TOKEN_PREFIX)), "")
    try:
        session = desk.sessions.find(socket.cookies.get(COOKIE), touch=False)
    except ConsoleError:
        await socket.close(4401)
        return
    if PROTOCOL not in offered or not session.holds(token) or session.one_time:
        await socket.close(4403)
        return
    await socket.accept(subprotocol=PROTOCOL)
    tasks = [asyncio.create_task(_tell(socket, desk, session)), asyncio.create_task(_hear(socket, desk, session))]
    try:
        with desk.live.watching():
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        desk.room.hold.release(session.id)
        desk.room.hold.forget_ended(lambda known: desk.sessions.by_id(known) is not None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(1000)


async def _tell(socket: WebSocket, desk: Desk, session: Session) -> None:
    broadcast: Broadcast = socket.app.state.broadcast
    seen = 0
    while True:
        seen, shared = await broadcast.newer(seen)
        await asyncio.wait_for(socket.send_text(of_session(shared, desk, session)), SLOWEST_S)


async def _hear(socket: WebSocket, desk: Desk, session: Session) -> None:
    with contextlib.suppress(WebSocketDisconnect, ConsoleError, RuntimeError, KeyError, ValidationError):
        while True:
            said = PageWord.model_validate_json(await socket.receive_text())
            if said.hold is not None:
                _press(desk, session, said.hold)
            elif said.release is not None:
                desk.room.hold.release(session.id, said.release)
            else:
                desk.sessions.find(session.token, touch=False)  # ends the socket with the session


def _press(desk: Desk, session: Session, word: HoldWord) -> None:
    """A press counts for the operator who has the console, and for nobody else."""
    desk.sessions.find(session.token, touch=True)
    holder = desk.seat.holder()
    if session.role is Role.OPERATOR and holder is not None and holder.id == session.id:
        desk.room.hold.press(Press(session.id, session.name, word.grip, word.side, word.epoch, word.at))
    else:
        desk.room.hold.release(session.id, word.grip)


def snapshot(desk: Desk) -> str:
    """Everything that every page shows of now, as JSON."""
    now = time.monotonic()
    rest: dict[str, Any] = {
        "version": desk.live.version,
        "at": now,
        "frames": desk.live.frames.shown(now),
        "jobs": desk.jobs.shown(),
        "seat": desk.seat.shown(),
        "room": {"ros": desk.room.ros, "supervised": desk.room.supervised},
    }
    return f'{{"topics":{desk.live.as_json()},{json.dumps(rest)[1:]}'


def of_session(shared: str, desk: Desk, session: Session) -> str:
    """A snapshot with what only one page's session shows: whether it has the console, and whether its thumb is on the switch."""
    holder = desk.seat.holder()
    mine = holder is not None and holder.id == session.id
    own = {"mine": mine, "holding": desk.room.hold.held_by() == session.id}
    return f"{shared[:-1]},{json.dumps(own)[1:]}"
