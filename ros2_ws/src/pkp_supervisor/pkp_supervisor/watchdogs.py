"""Who was heard when, and who is silent too long."""

from __future__ import annotations

import math

import attrs

from pkp_supervisor.events import DevicesSeen


@attrs.frozen
class Heard:
    """One source. ``age_s`` is infinite when it was never heard, or said that it cannot work."""

    name: str
    age_s: float
    limit_s: float

    @property
    def silent(self) -> bool:
        """Too old, or not a number."""
        return not 0.0 <= self.age_s <= self.limit_s


class Watchdogs:
    """Keeps the time each source was last heard.

    Args:
        limits_s: for each source of this bring-up, how long it may be silent.
    """

    def __init__(self, limits_s: dict[str, float]) -> None:
        for name, limit in limits_s.items():
            if not (math.isfinite(limit) and limit > 0):
                raise ValueError(f"watchdog {name}: limit {limit} s must be positive")
        self._limits = dict(limits_s)
        self._last = dict.fromkeys(limits_s, -math.inf)
        self._faulty: set[str] = set()

    def hear(self, name: str, said_s: float, healthy: bool = True, patient: bool = False) -> None:
        """A source spoke, at ``said_s``: a word that lay about, or is said again, makes nobody fresher.

        One that says it cannot work counts as silent at once, or where one is ``patient`` as not heard.

        Unknown sources are ignored.
        """
        if name in self._last and healthy:
            self._last[name] = max(self._last[name], said_s)
        elif name in self._last and not patient:
            self._last[name] = -math.inf

    def doubt(self, name: str, faulty: bool) -> None:
        """A source says that it is faulty, or no longer so: meanwhile it is silent, however often it is heard."""
        if faulty:
            self._faulty.add(name)
        else:
            self._faulty.discard(name)

    def ages(self, now_s: float, patience: float = 1.0) -> tuple[Heard, ...]:
        """All sources with their ages, s, and their limits times ``patience``."""
        last = {**self._last, **dict.fromkeys(self._faulty, -math.inf)}
        return tuple(Heard(name, now_s - last[name], patience * limit) for name, limit in self._limits.items())

    def seen(self, now_s: float, patience: float = 1.0) -> DevicesSeen:
        """The event for the workflow."""
        return DevicesSeen(tuple(h.name for h in self.ages(now_s, patience) if h.silent))
