"""The hold-to-run switch as the server knows it: pressed only while fresh presses of one unbroken grip keep arriving."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import attrs

Now = Callable[[], float]


@attrs.frozen
class Press:
    """One word of a page.

    Args:
        session: whose page. operator: the name that is recorded. grip: counts up with every new press of the button.
        seen_s: server's time (monotonic) of the newest snapshot that the page had applied when it sent this.
    """

    session: str
    operator: str
    grip: int
    side: str
    epoch: int
    seen_s: float


@attrs.frozen
class Word:
    """What the injector is told."""

    operator: str
    side: str
    epoch: int
    pressed: bool


class HoldSwitch:
    """One thumb at a time. A grip that lapsed, was let go, or whose page lags behind never comes back: the button must be
    let go and pressed anew.

    ``used`` is set while there is a word to tell.

    Args:
        fresh_s: a press older than this is a release. lag_s: how far the page may be behind what the server sent it.
        told_s: a release is told for so long.
    """

    def __init__(self, fresh_s: float = 0.25, lag_s: float = 0.6, told_s: float = 0.5, now: Now = time.monotonic) -> None:
        self._fresh_s, self._lag_s, self._told_s, self._now = fresh_s, lag_s, told_s, now
        self._lock = threading.Lock()
        self._held: Press | None = None
        self._heard_s = 0.0
        self._over: dict[str, int] = {}
        self._last: tuple[Word, float] | None = None
        self.used = threading.Event()

    def press(self, press: Press) -> bool:
        """A word of a page; returns whether it holds the switch now."""
        now = self._now()
        with self._lock:
            self._lapse(now)
            late = not 0 <= now - press.seen_s <= self._lag_s
            if late or press.grip <= self._over.get(press.session, -1):
                self._let_go(press.session, press.grip, now)
                return False
            held = self._held
            if held is not None and (held.session, held.grip) != (press.session, press.grip):
                self._over[press.session] = max(press.grip, self._over.get(press.session, -1))  # a second hand never takes over
                return False
            if held is not None and (held.side, held.epoch) != (press.side, press.epoch):
                self._let_go(press.session, press.grip, now)
                return False
            self._held, self._heard_s = press, now
            self.used.set()
            return True

    def release(self, session: str, grip: int | None = None) -> None:
        """Let go; without a grip: whatever this session held, as its page is gone."""
        with self._lock:
            held = self._held
            if grip is None and held is not None and held.session == session:
                grip = held.grip
            if grip is not None:
                self._let_go(session, grip, self._now())

    def word(self) -> Word | None:
        """What to tell the injector now; None while nobody touches the switch."""
        now = self._now()
        with self._lock:
            self._lapse(now)
            if self._held is not None:
                return Word(self._held.operator, self._held.side, self._held.epoch, True)
            if self._last is not None and now - self._last[1] <= self._told_s:
                return self._last[0]
            self._last = None
            self.used.clear()
            return None

    def held_by(self) -> str | None:
        """The session whose thumb is on it."""
        with self._lock:
            self._lapse(self._now())
            return None if self._held is None else self._held.session

    def forget_ended(self, lives: Callable[[str], bool]) -> None:
        """Sessions that have ended hold nothing, and their grips need not be remembered: no page can speak for them again.

        A page that is gone while its session lives is remembered: it may come back with the grip that it had.
        """
        with self._lock:
            known = {*self._over, *(() if self._held is None else (self._held.session,))}
        for session in known:
            if not lives(session):
                self.release(session)
                with self._lock:
                    self._over.pop(session, None)

    def _lapse(self, now: float) -> None:
        if self._held is not None and now - self._heard_s > self._fresh_s:
            self._let_go(self._held.session, self._held.grip, now)

    def _let_go(self, session: str, grip: int, now: float) -> None:
        self._over[session] = max(grip, self._over.get(session, -1))
        held = self._held
        if held is not None and held.session == session and held.grip <= grip:
            self._held = None
            self._last = (Word(held.operator, held.side, held.epoch, False), now)
