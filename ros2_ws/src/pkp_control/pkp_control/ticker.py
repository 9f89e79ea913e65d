"""A loop with absolute deadlines in a thread of its own, which nothing else in the process may hold up for long."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

SWITCH_S = 0.0005
"""How long another thread may keep the interpreter to itself (Python's own choice, 5 ms, is most of a period)."""
YOUNG_S = 1.0
IDLE_PERIODS = 5


def taken_as_of(stamp_s: float, now_s: float, clock_s: float) -> float:
    """The stamp that a call which began at ``now_s`` gives to what it takes at ``clock_s``, monotonic s.

    What was measured while the call was held up is as new as can be; what lies ahead of the clock itself stays there, to be
    refused.
    """
    return now_s if now_s < stamp_s <= clock_s else stamp_s


class Ticker:
    """Calls ``work(now_s)`` once a period. A deadline that was missed is left out, never made up for by a burst.

    Python's collector stops the world for as long as it pleases: what exists at the start is frozen, the collector is off, and
    the youngest generation alone, which stays small, is collected right after a call, once a second. While ``idle`` says that
    nothing is driven, a full collection harms nobody, and the calls come five times slower: two cores carry a whole room.

    Args:
        period_s: of the calls. work: gets the monotonic time. idle: nothing is being driven.
    """

    def __init__(self, period_s: float, work: Callable[[float], None], idle: Callable[[], bool]) -> None:
        self._period_s, self._work, self._idle = period_s, work, idle
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self.late_s: deque[float] = deque(maxlen=8192)
        self.missed = 0

    def start(self) -> None:
        """Begin."""
        self._switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.freeze()
        gc.disable()
        self._thread.start()

    def end(self) -> None:
        """End, and leave the process as it was."""
        self._ended.set()
        self._thread.join()
        sys.setswitchinterval(self._switch_s)
        gc.unfreeze()
        gc.enable()

    def punctuality(self) -> str:
        """How late the last calls began, in words."""
        return f"{len(self.late_s)} periods, begun late by {in_words(self.late_s)}; {self.missed} missed"

    def _run(self) -> None:
        deadline = time.monotonic() + self._period_s
        collected = deadline
        while not self._ended.is_set():
            # sleep takes an absolute deadline of the monotonic clock from here to the kernel
            time.sleep(max(0.0, deadline - time.monotonic()))
            now_s = time.monotonic()
            self.late_s.append(now_s - deadline)
            self._work(now_s)
            if now_s - collected >= YOUNG_S:
                collected = now_s
                gc.collect(2 if self._idle() and gc.get_count()[2] > 30 else 1 if gc.get_count()[1] > 10 else 0)
            period_s = self._period_s * (IDLE_PERIODS if self._idle() else 1)
            deadline += period_s
            behind = time.monotonic() - deadline
            if behind > 0:
                skipped = int(behind / period_s) + 1
                self.missed += skipped
                deadline += skipped * period_s


def in_words(times_s: Iterable[float]) -> str:
    """Median, 99 % and the most of some times."""
    ranked = sorted(times_s)
    if not ranked:
        return "not measured"
    middle, high, worst = (1e3 * ranked[int(share * (len(ranked) - 1))] for share in (0.5, 0.99, 1.0))
    return f"{middle:.2f} ms (median), {high:.2f} (99 %), {worst:.2f} (most)"
