"""When a frame was exposed, on this host's clock, from the device's frame counter and the times replies come in.

A frame became ready between the last question that did not bring it and the reply that did: the middle is taken. The
counter runs evenly, so ``ready − latency − counter/rate`` is the same constant for every frame, up to the device's jitter
and the waits of this host; its median over the last seconds is kept, of that half of the frames whose moment is known best.
One late reply does not move the stamp of its frame, and a line that grows late as a whole does not make old frames young:
the constant may exceed the smallest one seen only by the usual spread and by the clocks' drift. A counter that paused, or a
clock of this host that was slewed, breaks that constant: frames count as old though they come at once (``contradicted``).
"""

from __future__ import annotations

import math
import statistics
from collections import deque

WINDOW = 120
SPREAD_S = 0.015
"""Largest usual distance of the median from the smallest (assumed: eight standard deviations of the Vega's latency)."""
DRIFT = 200e-6
"""Largest difference of the two clocks' rates (assumed: two quartz clocks, each within 100 ppm)."""

PROMPT = 0.5
"""A reply within this share of the age that is too old came at once: it holds the newest frame."""
CONTRADICTED_S = 1.0


class FrameClock:
    """Turns frame counter values into exposure times.

    Args:
        rate_hz: of the device's frame counter.
        latency_s: exposure to data ready, mean, seconds.
        window: frames the constant is taken over; short enough that a clock 100 ppm off costs 0.1 ms.
    """

    def __init__(self, rate_hz: float, latency_s: float, window: int = WINDOW) -> None:
        self._period_s = 1.0 / rate_hz
        self._latency_s = latency_s
        self._offsets: deque[tuple[float, float]] = deque(maxlen=window)
        self._smallest_s = float("inf")
        self._last_received_s = float("-inf")
        self._old_since_s: float | None = None

    def reset(self) -> None:
        """Forget everything: the counter was set back."""
        self._old_since_s = None
        self._offsets.clear()
        self._smallest_s, self._last_received_s = float("inf"), float("-inf")

    def acquired_s(self, frame_number: int, received_s: float, transfer_s: float, not_ready_s: float | None = None) -> float:
        """Exposure time of a frame that has just come, monotonic seconds; never later than it can have been.

        Args:
            frame_number: the device's counter.
            received_s: monotonic time the reply was complete.
            transfer_s: time its bytes took on the line.
            not_ready_s: monotonic time of the last question that brought an earlier frame; None where there was none.
        """
        latest_s = received_s - transfer_s
        ready_s = latest_s if not_ready_s is None else 0.5 * (min(not_ready_s, latest_s) + latest_s)
        offset = ready_s - self._latency_s - frame_number * self._period_s
        doubt_s = float("inf") if not_ready_s is None else latest_s - not_ready_s
        self._offsets.append((doubt_s, offset))
        if len(self._offsets) > 1:
            self._smallest_s += DRIFT * max(0.0, received_s - self._last_received_s)
        self._smallest_s = min(self._smallest_s, latest_s - self._latency_s - frame_number * self._period_s)
        self._last_received_s = received_s
        constant = min(self._constant_s(), self._smallest_s + SPREAD_S)
        return min(constant + frame_number * self._period_s, latest_s)

    def contradicted(self, age_s: float, exchange_s: float, now_s: float, max_age_s: float) -> bool:
        """Whether frames have come at once and yet been too old for a second: only a reset can mend that.

        A line that is late is no such case, its replies are late too.

        Args:
            age_s: of the frame that has just come, by this clock.
            exchange_s: from the question to the whole reply; infinite where it may answer an earlier question.
            now_s: monotonic time.
            max_age_s: an older frame is too old.
        """
        if age_s <= max_age_s:
            self._old_since_s = None
        if age_s <= max_age_s or exchange_s > PROMPT * max_age_s:
            return False
        if self._old_since_s is None:
            self._old_since_s = now_s
        return now_s - self._old_since_s >= CONTRADICTED_S

    def _constant_s(self) -> float:
        ordered = sorted(self._offsets)
        if math.isinf(ordered[0][0]):
            # the line is too slow to ask twice a frame: data wait for the question, so only the earliest say when
            return ordered[len(ordered) // 10][1]
        return statistics.median(offset for _, offset in ordered[: (len(ordered) + 1) // 2])
