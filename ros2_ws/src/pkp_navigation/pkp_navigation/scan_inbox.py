"""Scans as they come in, kept for whoever waits for the next."""

from __future__ import annotations

import threading

import attrs


@attrs.frozen
class Received:
    """A scan that came in: where it lies, its hash, and when it was accepted on the host's clock, s."""

    source: str
    sha256: str
    accepted_s: float


class ScanInbox:
    """The scan received last; written by one thread, awaited by another."""

    def __init__(self) -> None:
        self._held: Received | None = None
        self._news = threading.Condition()

    def begin(self) -> None:
        """Forget what came before."""
        with self._news:
            self._held = None

    def put(self, scan: Received) -> None:
        """A scan came."""
        with self._news:
            self._held = scan
            self._news.notify_all()

    def wait(self, wait_s: float) -> Received | None:
        """The scan, or nothing within a while."""
        with self._news:
            self._news.wait_for(lambda: self._held is not None, wait_s)
            return self._held
