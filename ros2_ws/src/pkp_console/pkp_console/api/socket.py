"""The live socket: the newest snapshot at display rate to each page, and the page's signs of life."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from pkp_console.guard import COOKIE, Desk
from pkp_console.refusals import ConsoleError
from pkp_console.sessions import Session

router = APIRouter()
PROTOCOL = "pkp.live"
TOKEN_PREFIX = "csrf."
HEARTBEAT_S = 0.5
SLOWEST_S = 10.0


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Snapshots out, ``{"beat": n}`` in. The session's token comes as a second subprotocol, as a browser can send no header.

    A page that reads slowly gets fewer snapshots, never older ones: the next is made when the last has gone out.
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
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(1000)


async def _tell(socket: WebSocket, desk: Desk, session: Session) -> None:
    period = 1.0 / desk.config.snapshot_hz
    while True:
        seen = desk.live.version
        await asyncio.wait_for(socket.send_text(json.dumps(snapshot(desk, session))), SLOWEST_S)
        await asyncio.sleep(period)
        await desk.live.changed(seen, HEARTBEAT_S)


async def _hear(socket: WebSocket, desk: Desk, session: Session) -> None:
    with contextlib.suppress(WebSocketDisconnect, ConsoleError, RuntimeError, KeyError):
        while True:
            await socket.receive_text()
            desk.sessions.find(session.token, touch=False)  # ends the socket with the session


def snapshot(desk: Desk, session: Session) -> dict[str, Any]:
    """Everything the page shows of now."""
    held = desk.seat.shown()
    holder = held["holder"]
    mine = isinstance(holder, dict) and holder["session"] == session.id
    return {
        "version": desk.live.version,
        "topics": desk.live.snapshot(),
        "jobs": desk.jobs.shown(),
        "seat": {**held, "mine": mine},
        "room": {"ros": desk.room.ros, "supervised": desk.room.supervised},
    }
