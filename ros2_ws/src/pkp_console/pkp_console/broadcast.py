"""Snapshots for all pages: each is made once, at display rate while somebody looks, and whoever was slow gets the newest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pkp_console.live import LiveStore

HEARTBEAT_S = 0.2
"""A snapshot goes out after that long even where nothing is new."""


class Broadcast:
    """Nothing runs while nobody asks: whoever asks first for a newer one waits for it and makes it, the others wait beside.

    Args:
        live: what is told of. make: a snapshot of now, as text. rate_hz: at most.
    """

    def __init__(self, live: LiveStore, make: Callable[[], str], rate_hz: float) -> None:
        self._live, self._make, self._period_s = live, make, 1.0 / rate_hz
        self._turn = asyncio.Lock()
        self._count, self._text = 0, ""
        self._version, self._made_s = -1, 0.0

    async def newer(self, seen: int) -> tuple[int, str]:
        """The newest snapshot that is not the ``seen``-th, and the how-manieth it is; 0 has seen none and need not wait."""
        asked_s = time.monotonic()
        async with self._turn:
            if seen and seen == self._count:
                await asyncio.sleep(max(0.0, self._made_s + self._period_s - time.monotonic()))
                await self._live.changed(self._version, HEARTBEAT_S)
                self._make_one()
            elif asked_s - self._made_s > self._period_s:  # not by now: what was made while they stood beside is theirs
                self._make_one()
            return self._count, self._text

    def _make_one(self) -> None:
        self._version, self._made_s = self._live.version, time.monotonic()
        self._text, self._count = self._make(), self._count + 1
