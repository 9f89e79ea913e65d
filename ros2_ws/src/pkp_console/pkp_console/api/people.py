"""Sign in and out, PINs, and who has the console."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from pkp_console.guard import COOKIE, AtDesk, Relieving, SignedIn
from pkp_console.refusals import WrongPinError
from pkp_console.sessions import Session
from pkp_console.users import MOST_DIGITS, MOST_NAME

router = APIRouter(prefix="/api")
Name = Annotated[str, Field(min_length=1, max_length=MOST_NAME)]
Pin = Annotated[str, Field(min_length=1, max_length=MOST_DIGITS)]


class Question(BaseModel):
    """A request's body: no other fields than these."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SignIn(Question):
    """Name and PIN."""

    name: Name
    pin: Pin


class NewPin(Question):
    """The PIN so far and the one from now on."""

    old: Pin
    new: Pin


class HandOver(Question):
    """The session that asked."""

    to: Name


@router.post("/session")
def sign_in(asked: SignIn, desk: AtDesk, response: Response) -> dict[str, Any]:
    """Begin a session; an operator has the console when nobody else has."""
    desk.brake.check(asked.name)
    try:
        user = desk.users.check(asked.name, asked.pin)
    except WrongPinError:
        desk.brake.failed(asked.name)
        raise
    desk.brake.passed(asked.name)
    session = desk.sessions.begin(user.name, user.role, user.one_time)
    desk.seat.take(session)
    desk.live.touch()
    response.set_cookie(COOKIE, session.token, httponly=True, samesite="strict", path="/api")
    return shown(session)


@router.get("/session")
def who(session: SignedIn) -> dict[str, Any]:
    """Who is signed in, and the token that changes need."""
    return shown(session)


@router.delete("/session")
def sign_out(session: SignedIn, desk: AtDesk, response: Response) -> dict[str, Any]:
    """End the session, and let go of the console."""
    desk.seat.leave(session)
    desk.sessions.end(session.token)
    desk.live.touch()
    response.delete_cookie(COOKIE, path="/api")
    return {"signed_out": True}


@router.post("/session/pin")
def change_pin(asked: NewPin, session: SignedIn, desk: AtDesk) -> dict[str, Any]:
    """Choose a PIN; every other session of the same user ends."""
    desk.brake.check(session.name)
    try:
        desk.users.change_pin(session.name, asked.old, asked.new)
    except WrongPinError:
        desk.brake.failed(session.name)
        raise
    session.one_time = False
    desk.sessions.end_others(session.name, session.token)
    desk.seat.take(session)
    desk.live.touch()
    return shown(session)


@router.post("/seat/take")
def take(session: Relieving, desk: AtDesk) -> dict[str, Any]:
    """Have the console when it is free; else its holder sees that one asks."""
    had = desk.seat.take(session)
    desk.live.touch()
    return {"taken": had, **desk.seat.shown()}


@router.post("/seat/hand_over")
def hand_over(asked: HandOver, session: Relieving, desk: AtDesk) -> dict[str, Any]:
    """Give the console to an operator who asked for it."""
    desk.seat.hand_over(session, asked.to)
    desk.live.touch()
    return desk.seat.shown()


def shown(session: Session) -> dict[str, Any]:
    """What the page may know of its own session."""
    return {
        "session": session.id,
        "name": session.name,
        "role": session.role.value,
        "one_time": session.one_time,
        "csrf": session.csrf,
    }
