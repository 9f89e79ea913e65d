"""The newest value of every topic, and nothing else: what is not sent yet when a newer one comes is never sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs

from pkp_console.frames import Frames


@attrs.frozen
class Reading:
    """One topic's newest message with when it came (monotonic s) and the how-manieth it was; ``text`` is the value as JSON."""

    value: dict[str, Any]
    text: str
    heard_s: float
    count: int


class LiveStore:
    """Written by any thread, read by the sockets. ``version`` changes with every write; ``watched`` says whether a page looks."""

    def __init__(self) -> None:
        self._held: dict[str, Reading] = {}
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._pages = 0
        self._hearers: dict[str, Callable[[dict[str, Any]], object]] = {}
        self.watched = threading.Event()
        self.frames = Frames()
        self.version = 0

    def put(self, topic: str, value: dict[str, Any], heard_s: float | None = None) -> None:
        """A newer value of a topic; ``heard_s`` (monotonic) where it came earlier than now."""
        reading_s, text = time.monotonic() if heard_s is None else heard_s, json.dumps(value)
        with self._lock:
            before = self._held.get(topic)
            self._held[topic] = Reading(value, text, reading_s, 1 if before is None else before.count + 1)
        self.touch()
        if topic in self._hearers:
            self._hearers[topic](value)

    def when(self, topic: str, hearer: Callable[[dict[str, Any]], object]) -> None:
        """Have somebody told of each value of a topic that the store takes, in the thread that brings it: it must be quick."""
        self._hearers[topic] = hearer

    def touch(self) -> None:
        """Something else that the page shows has changed."""
        with self._lock:
            self.version += 1
            waiting = list(self._waiting)
        for loop, event in waiting:
            with contextlib.suppress(RuntimeError):  # a loop that has ended has nobody to tell
                loop.call_soon_threadsafe(event.set)

    def readings(self) -> dict[str, Reading]:
        """The newest of each topic."""
        with self._lock:
            return dict(self._held)

    def value(self, topic: str) -> dict[str, Any] | None:
        """The newest value of one topic."""
        with self._lock:
            held = self._held.get(topic)
        return None if held is None else held.value

    def as_json(self) -> str:
        """topic → value, age in ms, count; each value was made JSON when it came, not once for every page."""
        now = time.monotonic()
        parts = [
            f'{json.dumps(topic)}:{{"value":{r.text},"age_ms":{round((now - r.heard_s) * 1000)},"count":{r.count}}}'
            for topic, r in self.readings().items()
        ]
        return "{" + ",".join(parts) + "}"

    @contextlib.contextmanager
    def watching(self) -> Any:
        """A page looks for so long."""
        with self._lock:
            self._pages += 1
            self.watched.set()
        try:
            yield
        finally:
            with self._lock:
                self._pages -= 1
                if not self._pages:
                    self.watched.clear()

    async def changed(self, seen: int, at_most_s: float) -> None:
        """Wait until something is newer than version ``seen``, or that long."""
        if self.version != seen:
            return
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            self._waiting.add(entry)
        try:
            if self.version == seen:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), at_most_s)
        finally:
            with self._lock:
                self._waiting.discard(entry)
