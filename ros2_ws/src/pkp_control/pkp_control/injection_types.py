"""What an injection is made of: orders, segments, phases, reasons to stop."""

from __future__ import annotations

from enum import Enum
from typing import Literal

import attrs

from pkp_control.injector_registers import InjectorReading
from pkp_control.leak_sign import LeakWatch
from planning_core.cement.curing import CementClock
from planning_core.errors import PkpError

Side = Literal["left", "right"]


class InjectionRefusedError(PkpError):
    """An injection that may not begin, or an acknowledgement that changes nothing. Carries the numbers."""

    code = "injection_refused"


class CounterWentBackError(InjectionRefusedError):
    """The injector counts less than is on record, as after its memory was lost. Carries ``counter_ml`` and ``recorded_ml``."""

    code = "counter_went_back"


class InjectionFailedError(PkpError):
    """Something that nobody foresaw went wrong in the injection's thread."""

    code = "injection_failed"


class Phase(Enum):
    """Where an injection stands. Only INJECTING moves the plunger; SETTLING leaves the valve open for after-flow."""

    DISARMED = "disarmed"
    READY = "ready"
    INJECTING = "injecting"
    SETTLING = "settling"
    HELD = "held"
    DONE = "done"
    STOPPED = "stopped"


ARMED = frozenset({Phase.READY, Phase.INJECTING, Phase.SETTLING, Phase.HELD})


class Stop(Enum):
    """Why it stopped; every one latches until acknowledged."""

    ORDERED = "ordered by operator or supervisor"
    E_STOP = "emergency stop"
    DEVICE_FAULT = "the injector stopped itself"
    DEVICE_LEFT = "the injector is no longer enabled"
    LINE = "no good reading from the injector"
    READING = "impossible reading"
    RESTARTED = "injector or controller was restarted"
    PRESSURE = "pressure limit"
    LEAK = "pressure fell at steady flow: sign of a leak"
    VOLUME_MISMATCH = "counted volume does not match what was commanded"
    OVERDOSE = "more than planned"
    CEMENT_OLD = "working time of the cement is over"
    BLOCKED = "no flow at the highest pressure allowed"
    HELD_TOO_LONG = "held too long"
    SHORT = "after-flow ended short of the plan"
    CLOCK = "clock stepped"
    RECORD = "the record cannot be written"
    COUNTER = "the injector's counter went back"
    FAILED = "the controller failed"


@attrs.frozen
class InjectionOrder:
    """One side's dose, as planned: liquid ml; ``plan_hash`` ties it to the approved plan."""

    side: Side
    planned_ml: float
    plan_hash: str


@attrs.frozen
class Segment:
    """From one arming to the next: counter and given volume at its start, and what became of it.

    Args:
        start_ml: reading's counter; start_given_ml: counter less storage, or what was on record by then. given_ml,
        counted_ml: since then, the most so far.
        commanded_ml: integral over device time of the flow that the device had been told. peak_kpa: highest reading.
        closed: somebody has seen that the device's counter went back; what it counts is no more of this segment.
    """

    order: InjectionOrder
    serial_number: int
    start_ml: float
    start_given_ml: float
    given_ml: float = 0.0
    counted_ml: float = 0.0
    commanded_ml: float = 0.0
    peak_kpa: float = 0.0
    closed: bool = False

    @property
    def counter_ml(self) -> float:
        """Where the device's counter stood at its highest."""
        return self.start_ml + self.counted_ml

    @property
    def bounds_ml(self) -> tuple[float, float]:
        """Least and most that was given: counter and command may disagree, and then neither is believed alone."""
        stored = self.counted_ml - self.given_ml
        by_command = self.commanded_ml - stored
        return max(0.0, min(self.given_ml, by_command)), max(self.given_ml, by_command, 0.0)


@attrs.frozen
class SideVolume:
    """What one side got so far, ml, over all its segments."""

    side: Side
    planned_ml: float
    given_ml: float
    low_ml: float
    high_ml: float


@attrs.frozen
class InjectionState:
    """All the controller knows; replaced, never changed.

    Args:
        released: the switch was seen open since arming or since the last hold. target_ml: of this segment.
        entered_s: host time the phase began. seen_s: host time of the last good reading. easing_s: device time eased flow
        fell below that of a blocked way. driven_ml_s: the flow that went out with the last good reading, which the device keeps
        until the next.
    """

    phase: Phase = Phase.DISARMED
    segment: Segment | None = None
    target_ml: float = 0.0
    finished: tuple[Segment, ...] = ()
    clock: CementClock | None = None
    released: bool = False
    stop: Stop | None = None
    entered_s: float = 0.0
    seen_s: float = 0.0
    last: InjectorReading | None = None
    leak: LeakWatch | None = None
    flow_ml_s: float = 0.0
    driven_ml_s: float = 0.0
    easing_s: float | None = None

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every segment, the open one last."""
        return self.finished + ((self.segment,) if self.segment else ())

    def given(self, side: Side) -> SideVolume:
        """What a side got so far."""
        mine = [s for s in self.segments if s.order.side == side]
        bounds = [s.bounds_ml for s in mine]
        planned = mine[-1].order.planned_ml if mine else 0.0
        return SideVolume(side, planned, sum(s.given_ml for s in mine), sum(b[0] for b in bounds), sum(b[1] for b in bounds))


@attrs.frozen
class InjectorCommand:
    """For the driver: valve and plunger, and whether to leave ENABLED."""

    run: bool = False
    flow_ml_s: float = 0.0
    disable: bool = False


REST = InjectorCommand()
LEAVE = InjectorCommand(disable=True)
