"""The newest value of every topic, and nothing else: what is not sent yet when a newer one comes is never sent."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import attrs


@attrs.frozen
class Reading:
    """One topic's newest message with when it came (monotonic s) and the how-manieth it was."""

    value: dict[str, Any]
    heard_s: float
    count: int


class LiveStore:
    """Written by any thread, read by the sockets. ``version`` changes with every write."""

    def __init__(self) -> None:
        self._held: dict[str, Reading] = {}
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.version = 0

    def put(self, topic: str, value: dict[str, Any]) -> None:
        """A newer value of a topic."""
        with self._lock:
            before = self._held.get(topic)
            self._held[topic] = Reading(value, time.monotonic(), 1 if before is None else before.count + 1)
        self.touch()

    def touch(self) -> None:
        """Something else that the page shows has changed."""
        with self._lock:
            self.version += 1
            waiting = list(self._waiting)
        for loop, event in waiting:
            with contextlib.suppress(RuntimeError):  # a loop that has ended has nobody to tell
                loop.call_soon_threadsafe(event.set)

    def snapshot(self) -> dict[str, Any]:
        """topic → value, age in ms, count."""
        now = time.monotonic()
        with self._lock:
            return {
                topic: {"value": r.value, "age_ms": round((now - r.heard_s) * 1000), "count": r.count}
                for topic, r in self._held.items()
            }

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
