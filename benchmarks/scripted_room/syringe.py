"""The scripted injector: cement flows while a fresh word of the hold-to-run switch says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pkp_msgs import msg

FLOW_ML_S, PRESS_S = 0.06, 0.25
RISE_S, EMPTY_KPA, KPA_ML = 1.2, 500.0, 450.0


class Syringe:
    """What is delivered of a dose.

    Args:
        heard: told of each change of the switch.
    """

    def __init__(self, heard: Callable[[bool], None]) -> None:
        self._heard = heard
        self._press: tuple[msg.HoldToRun, float] | None = None
        self._dose_ml, self._total_ml, self._mixed_s, self._last_s = 0.0, 0.0, time.monotonic() - 240, 0.0
        self.given_ml, self.kpa = 0.0, 0.0
        self.side, self.epoch, self.armed, self.flows = "", 0, False, False

    @property
    def done(self) -> bool:
        """The dose is given."""
        return self.given_ml >= self._dose_ml

    def hear(self, word: msg.HoldToRun) -> None:
        """A word of the switch."""
        if self._press is None or self._press[0].pressed != word.pressed:
            self._heard(word.pressed)
        self._press = word, time.monotonic()

    def arm(self, goal: Any, epoch: int) -> None:
        """A dose for a side."""
        self._dose_ml, self.given_ml, self.side, self.epoch, self.armed = goal.volume * 1e6, 0.0, goal.side, epoch, True
        self._mixed_s = self._last_s = time.monotonic()
        self._mixed_s -= time.time() - goal.mixed_at.sec

    def disarm(self) -> None:
        """The goal has ended."""
        self.armed, self.kpa = False, 0.0
        self._total_ml += self.given_ml

    def live(self) -> None:
        """Until now."""
        now = time.monotonic()
        self.flows = self.armed and self._pressed(now)
        self.given_ml = min(self._dose_ml, self.given_ml + (FLOW_ML_S * (now - self._last_s) if self.flows else 0.0))
        target = EMPTY_KPA + KPA_ML * self.given_ml if self.flows else 0.0
        self.kpa += (target - self.kpa) * min(1.0, (now - self._last_s) / RISE_S)
        self._last_s = now

    def state(self, side: str, sequence: int, plan: msg.PlanReference, stamp: Any) -> msg.InjectorState:
        """As a device says it."""
        said = msg.InjectorState(side=side, sequence=sequence, plan=plan)
        said.header.stamp = stamp
        said.state = said.DONE if self.given_ml else said.IDLE
        if self.armed:
            said.state = said.INJECTING if self.flows else said.HOLDING if self.given_ml > 0 else said.READY
        said.ordered_volume = self._dose_ml * 1e-6
        said.commanded_volume = said.delivered_volume = self.given_ml * 1e-6
        said.total_volume = (self._total_ml + (self.given_ml if self.armed else 0.0)) * 1e-6
        said.flow = FLOW_ML_S * 1e-6 if self.flows else 0.0
        said.pressure, said.temperature, said.viscosity = self.kpa * 1e3, 295.1, 620.0
        said.cement_age = time.monotonic() - self._mixed_s
        return said

    def _pressed(self, now: float) -> bool:
        if self._press is None:
            return False
        word, heard = self._press
        return word.pressed and (word.side, word.epoch) == (self.side, self.epoch) and now - heard < PRESS_S
