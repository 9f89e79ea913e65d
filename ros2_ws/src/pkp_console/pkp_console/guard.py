"""What one request may do: session, token, role, and whether it is the operator's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import attrs
from fastapi import Depends
from starlette.requests import HTTPConnection

from pkp_console.config import ConsoleConfig
from pkp_console.gate import SAFE_METHODS
from pkp_console.jobs import Jobs
from pkp_console.judging import Ground, Judges
from pkp_console.live import LiveStore
from pkp_console.planners import Planner
from pkp_console.refusals import ForeignRequestError, NotAllowedError, NotPlannedHereError, PinMustChangeError
from pkp_console.room import Room
from pkp_console.runs import RunStore
from pkp_console.sessions import Brake, Seat, Session, Sessions
from pkp_console.store import CaseStore
from pkp_console.uploads import Uploads
from pkp_console.users import Role, Users

COOKIE = "pkp_session"
HIDDEN = ".console"
"""Folder of the case store that holds what is no case: users, uploads, replays, the log of alarms."""
UPLOADS = f"{HIDDEN}/uploads"
TOKEN = "x-csrf-token"


@attrs.frozen(eq=False)
class Desk:
    """Everything that requests share."""

    config: ConsoleConfig
    store: CaseStore
    users: Users
    sessions: Sessions
    seat: Seat
    brake: Brake
    live: LiveStore
    jobs: Jobs
    judges: Judges
    planner: Planner
    room: Room
    runs: RunStore
    imports: Uploads

    @classmethod
    def of(cls, config: ConsoleConfig, users: Users, live: LiveStore, planner: Planner, room: Room) -> Desk:
        """A desk with everything in its place."""
        store = CaseStore(config.cases)
        sessions = Sessions(config.session_idle_s, config.session_most_s)

        def ground(case_id: str) -> Ground:
            case = store.case(case_id)
            source = store.source(case)
            if source is None:
                raise NotPlannedHereError("this case holds no CT: import it again to move its paths", missing="ct")
            return Ground(str(case.path), str(source.path), source.series)

        return cls(
            config,
            store,
            users,
            sessions,
            Seat(sessions, config.seat_silent_s),
            Brake(config.tries, config.tries_s),
            live,
            Jobs(live.touch),
            Judges(config.judges, ground),
            planner,
            room,
            RunStore(config.runs, config.cases / HIDDEN / "replays"),
            Uploads(store.root / UPLOADS, config),
        )

    @property
    def uploads(self) -> Path:
        """Where unfinished imports lie, out of the case list."""
        return self.store.root / UPLOADS


def desk(connection: HTTPConnection) -> Desk:
    """The desk of the running application."""
    found: Desk = connection.app.state.desk
    return found


def signed_in(connection: HTTPConnection) -> Session:
    """The session, which may still have a one-time PIN; a request that changes anything must carry its token.

    Raises:
        NotSignedInError, ForeignRequestError: see there.
    """
    session = desk(connection).sessions.find(connection.cookies.get(COOKIE))
    method = connection.scope.get("method", "GET")
    if method not in SAFE_METHODS and not session.holds(connection.headers.get(TOKEN, "")):
        raise ForeignRequestError("the request does not carry the session's token", what="token")
    return session


def allowed(role: Role, seated: bool = True) -> Callable[[HTTPConnection], Session]:
    """A dependency: at least this role; an operator must also have the console, when anything changes.

    Args:
        seated: False for what a second operator may do too.
    """

    def check(connection: HTTPConnection) -> Session:
        session = signed_in(connection)
        if session.one_time:
            raise PinMustChangeError("choose a PIN of your own first")
        if not session.role.covers(role):
            raise NotAllowedError(
                f"this needs the role {role.value}, you are {session.role.value}", role=session.role.value, needed=role.value
            )
        if seated and session.role is Role.OPERATOR and connection.scope.get("method", "GET") not in SAFE_METHODS:
            desk(connection).seat.require(session)
        return session

    return check


AtDesk = Annotated[Desk, Depends(desk)]
SignedIn = Annotated[Session, Depends(signed_in)]
Viewing = Annotated[Session, Depends(allowed(Role.VIEWER))]
AnyHand = Annotated[Session, Depends(allowed(Role.VIEWER, seated=False))]
Trying = Annotated[Session, Depends(allowed(Role.PLANNER, seated=False))]
Planning = Annotated[Session, Depends(allowed(Role.PLANNER))]
Operating = Annotated[Session, Depends(allowed(Role.OPERATOR))]
Relieving = Annotated[Session, Depends(allowed(Role.OPERATOR, seated=False))]
