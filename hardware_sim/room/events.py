"""What happens in a room after its beginning: a list that only grows. Each event takes effect a moment after it was written,

so that whoever asks for a time that has passed gets the same answer before and after.
"""

from __future__ import annotations

from enum import IntEnum

import attrs
import numpy as np

from planning_core.errors import InputError
from planning_core.geometry.arrays import FloatArray

AHEAD_S = 0.05
"""From writing an event to its effect."""
VALUES = 6


class EventKind(IntEnum):
    """What can happen; ``values`` of the event in brackets."""

    BREATH_HOLD = 1
    """[1 hold, 0 breathe]."""
    PROBE = 2
    """[1 on the check bead, 0 away]."""
    BUMP = 3
    """Patient reference against the patient: [x, y, z mm, rx, ry, rz deg], its own axes."""
    SHIFT = 4
    """Patient on the table: [x, y, z mm, seconds it takes], world."""
    COUGH = 5
    """[peak mm]."""
    OCCLUDER = 6
    """Something before the camera: [x, y, z mm, radius mm], world; radius 0 takes it away."""


LIMITS: dict[EventKind, tuple[list[float], list[float]]] = {
    EventKind.BREATH_HOLD: ([0], [1]),
    EventKind.PROBE: ([0], [1]),
    EventKind.BUMP: ([-50.0] * 3 + [-30.0] * 3, [50.0] * 3 + [30.0] * 3),
    EventKind.SHIFT: ([-50, -50, -50, 0.1], [50, 50, 50, 60]),
    EventKind.COUGH: ([0], [30]),
    EventKind.OCCLUDER: ([-3000.0] * 3 + [0.0], [3000.0] * 3 + [1000.0]),
}
"""Lowest and highest value of each number."""


@attrs.frozen(eq=False)
class Event:
    """One event, in effect from ``time_s`` of the room."""

    time_s: float
    kind: EventKind
    values: tuple[float, ...]

    def __attrs_post_init__(self) -> None:
        low, high = LIMITS[self.kind]
        values: FloatArray = np.asarray(self.values, dtype=np.float64)
        if values.shape != (len(low),) or not np.isfinite(values).all() or (values < low).any() or (values > high).any():
            raise InputError(
                f"{self.kind.name.lower()} takes {len(low)} numbers from {low} to {high}, got {list(self.values)}",
                kind=self.kind.name.lower(),
                low=low,
                high=high,
            )
        if not np.isfinite(self.time_s):
            raise InputError(f"an event needs a time, got {self.time_s}")
