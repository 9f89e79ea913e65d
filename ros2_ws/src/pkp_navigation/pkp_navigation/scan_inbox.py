"""Scans as they come in, kept for whoever waits for the next; one that came before is known when it is sent again."""

from __future__ import annotations

import threading

import attrs

from planning_core.errors import InputError


class StaleScanError(InputError):
    """A scan from before the registration began. Carries ``age_s``."""

    code = "stale_scan"


@attrs.frozen
class Received:
    """A scan that came in: where it lies, its hash, and when its transfer was accepted on the host's clock, s."""

    source: str
    sha256: str
    accepted_s: float


class ScanInbox:
    """The scan received last; written by one thread, awaited by another."""

    def __init__(self) -> None:
        self._held: Received | None = None
        self._heard: dict[str, float] = {}  # when each hash was first accepted
        self._known: dict[str, float] = {}  # those of them from before the beginning
        self._news = threading.Condition()

    def begin(self) -> None:
        """Whatever came before is old from now on."""
        with self._news:
            self._held, self._known = None, dict(self._heard)

    def put(self, scan: Received) -> None:
        """A scan came."""
        with self._news:
            self._held = scan
            self._heard.setdefault(scan.sha256, scan.accepted_s)
            self._news.notify_all()

    def wait(self, wait_s: float) -> Received | None:
        """The scan, or nothing within a while.

        Raises:
            StaleScanError: it came before the beginning already, whenever it was sent again.
        """
        with self._news:
            self._news.wait_for(lambda: self._held is not None, wait_s)
            scan = self._held
            if scan is not None and scan.sha256 in self._known:
                age = scan.accepted_s - self._known[scan.sha256]
                raise StaleScanError(f"the scan was received {age:.0f} s before it was sent again: scan again", age_s=age)
            return scan
