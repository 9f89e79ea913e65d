"""Who is signed in, how often a PIN may be tried, and which operator has the console."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable

import attrs

from pkp_console.refusals import NotSignedInError, ReadOnlyError, TooManyTriesError
from pkp_console.users import Role

Now = Callable[[], float]
ALL_NAMES = 5
MOST_SESSIONS = 256


@attrs.define
class Session:
    """One signed-in browser. ``id`` may be shown to others, ``token`` (the cookie) and ``csrf`` never.

    ``heard_s``: the last thing its user asked for; ``alive_s``: the last sign of life of its page.
    """

    id: str
    token: str = attrs.field(repr=False)
    csrf: str = attrs.field(repr=False)
    name: str
    role: Role
    one_time: bool
    began_s: float
    heard_s: float
    alive_s: float

    def holds(self, csrf: str) -> bool:
        """Whether a request carries this session's token, compared in constant time."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """All sessions, in memory: a restart signs everybody out.

    Args:
        idle_s, most_s: how long one lasts unused, and at all.
    """

    def __init__(self, idle_s: float, most_s: float, now: Now = time.monotonic) -> None:
        self._idle_s, self._most_s, self._now = idle_s, most_s, now
        self._held: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, role: Role, one_time: bool) -> Session:
        """Sign in."""
        now = self._now()
        session = Session(
            secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_urlsafe(32), name, role, one_time, now, now, now
        )
        with self._lock:
            self._sweep()
            while len(self._held) >= MOST_SESSIONS:
                self._held.pop(min(self._held, key=lambda t: self._held[t].heard_s))
            self._held[session.token] = session
        return session

    def find(self, token: str | None, touch: bool = True) -> Session:
        """The session of a cookie.

        Raises:
            NotSignedInError: none, or it has ended.
        """
        with self._lock:
            self._sweep()
            session = self._held.get(token or "")
            if session is None:
                raise NotSignedInError("not signed in, or signed out after a long pause")
            session.alive_s = self._now()
            if touch:
                session.heard_s = session.alive_s
            return session

    def end(self, token: str) -> None:
        """Sign out."""
        with self._lock:
            self._held.pop(token, None)

    def end_others(self, name: str, but: str) -> None:
        """Sign a user out everywhere else: the PIN was changed."""
        with self._lock:
            for token in [t for t, s in self._held.items() if s.name == name and t != but]:
                del self._held[token]

    def by_id(self, session_id: str) -> Session | None:
        """A session by what may be shown of it."""
        with self._lock:
            self._sweep()
            return next((s for s in self._held.values() if s.id == session_id), None)

    def _sweep(self) -> None:
        now = self._now()
        for token, s in list(self._held.items()):
            if now - s.heard_s > self._idle_s or now - s.began_s > self._most_s:
                del self._held[token]


class Brake:
    """Counts wrong PINs by name and altogether within a sliding window."""

    def __init__(self, tries: int, within_s: float, now: Now = time.monotonic) -> None:
        self._tries, self._within_s, self._now = tries, within_s, now
        self._failed: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def check(self, name: str) -> None:
        """Raises ``TooManyTriesError`` while the window is full."""
        now = self._now()
        with self._lock:
            for key in list(self._failed):
                while self._failed[key] and now - self._failed[key][0] > self._within_s:
                    self._failed[key].popleft()
                if not self._failed[key]:
                    del self._failed[key]
            every = sorted(t for times in self._failed.values() for t in times)
            mine = self._failed.get(name, deque())
            full = mine if len(mine) >= self._tries else every if len(every) >= self._tries * ALL_NAMES else None
            if full:
                wait = max(self._within_s - (now - full[0]), 0.0)
                raise TooManyTriesError(f"too many wrong PINs: wait {wait:.0f} s", wait_s=round(wait, 1))

    def failed(self, name: str) -> None:
        """A wrong PIN."""
        with self._lock:
            self._failed.setdefault(name, deque()).append(self._now())

    def passed(self, name: str) -> None:
        """A right one clears the name."""
        with self._lock:
            self._failed.pop(name, None)


class Seat:
    """One operator at a time. The first to sign in has it; it goes on by handing over, signing out, or silence.

    Args:
        silent_s: how long the holder must not have been heard of before another may take it unasked.
    """

    def __init__(self, sessions: Sessions, silent_s: float, now: Now = time.monotonic) -> None:
        self._sessions, self._silent_s, self._now = sessions, silent_s, now
        self._holder: str | None = None
        self._asking: dict[str, str] = {}
        self._lock = threading.Lock()

    def holder(self) -> Session | None:
        """The operator's session, None while nobody is."""
        with self._lock:
            return self._holding()

    def take(self, session: Session) -> bool:
        """Have it when it is free, when one has it already, or when its holder went silent; otherwise ask for it."""
        if session.role is not Role.OPERATOR or session.one_time:
            return False
        with self._lock:
            holder = self._holding()
            free = holder is None or holder.id == session.id or self._now() - holder.alive_s > self._silent_s
            if free:
                self._holder = session.id
                self._asking.pop(session.id, None)
            else:
                self._asking[session.id] = session.name
            return free

    def hand_over(self, session: Session, to: str) -> None:
        """Give it to another operator who is signed in.

        Raises:
            ReadOnlyError: the session does not have it, or the other is no operator who is signed in.
        """
        self.require(session)
        other = self._sessions.by_id(to)
        if other is None or other.role is not Role.OPERATOR or other.one_time:
            raise ReadOnlyError("only another operator who is signed in can take over", held_by=session.name)
        with self._lock:
            self._holder = other.id
            self._asking.pop(other.id, None)

    def leave(self, session: Session) -> None:
        """Sign out of it."""
        with self._lock:
            self._asking.pop(session.id, None)
            if self._holder == session.id:
                self._holder = None

    def require(self, session: Session) -> None:
        """Raises ``ReadOnlyError`` unless this session is the operator's."""
        holder = self.holder()
        if holder is None or holder.id != session.id:
            by = holder.name if holder is not None else None
            raise ReadOnlyError(f"read-only: {by} is the operator now" if by else "read-only: take the console first", held_by=by)

    def shown(self) -> dict[str, object]:
        """Who has it and who asks, for the page."""
        with self._lock:
            holder = self._holding()
            asking = [{"session": i, "name": n} for i, n in self._asking.items() if self._sessions.by_id(i) is not None]
            return {"holder": None if holder is None else {"session": holder.id, "name": holder.name}, "asking": asking}

    def _holding(self) -> Session | None:
        if self._holder is None:
            return None
        held = self._sessions.by_id(self._holder)
        if held is None:
            self._holder = None
        return held
