"""What in the room's readings calls for somebody, by the priorities of IEC 60601-1-8; pure, and kept by ``AlarmBoard``.

Which priority a condition has is assumed: high where harm may come within moments of it, medium where the procedure has
stopped or will soon, low where somebody should know.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from pkp_supervisor.phases import PIN_IN, Phase

from pkp_console.limits import Limits

SILENT_S = 1.0
"""The supervisor speaks of safety several times a second."""
NEAR_END = 0.8
"""Of the cement's window."""
IN_FLOW = (1, 2, 6)
"""InjectorState: injecting, holding, ready."""
INJECTOR_STOPPED, INJECTOR_FAULT, DEVICE_FAULT, LOST = 4, 5, 3, 3


class Priority(enum.StrEnum):
    """IEC 60601-1-8."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@attrs.frozen
class Alarm:
    """One condition that holds. ``code`` names its text on the page, ``data`` fills it."""

    code: str
    priority: Priority
    data: dict[str, Any] = attrs.field(factory=dict, eq=False)


@attrs.frozen
class Heard:
    """One topic: its newest value and how old that is, s."""

    value: Mapping[str, Any]
    age_s: float


def alarms_of(heard: Mapping[str, Heard], limits: Limits) -> list[Alarm]:
    """Every condition that holds, the gravest first."""
    found = [alarm for rule in (_safety, _devices, _injector, _position, _recorder) for alarm in rule(heard, limits)]
    order = list(Priority)
    return sorted(found, key=lambda a: order.index(a.priority))


def _safety(heard: Mapping[str, Heard], limits: Limits) -> Iterator[Alarm]:
    safety = heard.get("safety")
    if safety is None:
        return
    if safety.age_s > SILENT_S:
        yield Alarm("supervisor_silent", Priority.HIGH, {"s": round(safety.age_s)})
    phase, stopped_in = _phase(heard, "phase"), _phase(heard, "stopped_in")
    reason = safety.value.get("reason", "")
    if phase is Phase.FAULT:
        yield Alarm("fault", Priority.HIGH, {"reason": reason})
    elif safety.value.get("stop_latched"):
        yield Alarm("stopped", Priority.HIGH if stopped_in in PIN_IN else Priority.MEDIUM, {"reason": reason})
    for dog in safety.value.get("watchdogs", ()):
        if dog["needed"] and (dog["age"] is None or dog["age"] > dog["limit"]):
            yield Alarm(f"silent.{dog['name']}", Priority.MEDIUM, {"node": dog["name"]})


def _devices(heard: Mapping[str, Heard], limits: Limits) -> Iterator[Alarm]:
    for name in ("arm_state", "injector_state"):
        device = heard.get(name)
        if device is not None and device.value.get("state") == DEVICE_FAULT:
            yield Alarm(f"{name}.fault", Priority.HIGH, {"reason": device.value.get("reason", "")})


def _injector(heard: Mapping[str, Heard], limits: Limits) -> Iterator[Alarm]:
    injector, phase = heard.get("injector"), _phase(heard, "phase")
    if injector is None:
        return
    value, kpa = injector.value, (injector.value.get("pressure") or 0.0) / 1e3
    if value.get("state") == INJECTOR_FAULT:
        yield Alarm("injector.fault", Priority.HIGH, {"reason": value.get("error_msg", "")})
    elif value.get("state") == INJECTOR_STOPPED:
        yield Alarm("injector.stopped", Priority.MEDIUM, {"reason": value.get("error_msg", "")})
    if kpa >= limits.stop_kpa:
        yield Alarm("pressure.stop", Priority.HIGH, {"kpa": round(kpa), "limit": limits.stop_kpa})
    elif kpa >= limits.ease_kpa:
        yield Alarm("pressure.ease", Priority.MEDIUM, {"kpa": round(kpa), "limit": limits.ease_kpa})
    age_s = value.get("cement_age") or 0.0
    if phase is Phase.INJECT and value.get("state") in IN_FLOW:
        if age_s >= limits.closes_s:
            yield Alarm("cement.over", Priority.MEDIUM, {"min": round(age_s / 60, 1)})
        elif age_s >= NEAR_END * limits.closes_s:
            yield Alarm("cement.late", Priority.LOW, {"s": round(limits.closes_s - age_s)})


def _position(heard: Mapping[str, Heard], limits: Limits) -> Iterator[Alarm]:
    phase = _phase(heard, "phase")
    seen = heard.get("verification")
    if seen is not None and phase in (Phase.VERIFY, Phase.INSERT) and seen.value.get("state") == LOST:
        yield Alarm("sight_lost", Priority.HIGH if phase is Phase.INSERT else Priority.MEDIUM)
    registration = heard.get("registration")
    if registration is not None and registration.value.get("accepted") is False:
        yield Alarm("registration_refused", Priority.MEDIUM, {"reason": registration.value.get("error_msg", "")})


def _recorder(heard: Mapping[str, Heard], limits: Limits) -> Iterator[Alarm]:
    recorder = heard.get("recorder")
    if recorder is not None and recorder.value.get("error_code"):
        yield Alarm("recorder", Priority.LOW, {"reason": recorder.value.get("error_msg", "")})


def _phase(heard: Mapping[str, Heard], field: str) -> Phase | None:
    phase = heard.get("phase")
    number = None if phase is None else phase.value.get(field)
    return Phase(number) if number in set(Phase) else None


@attrs.define
class _Held:
    alarm: Alarm
    since_s: float
    acknowledged_by: str = ""


class AlarmBoard:
    """Which alarms hold, since when, and who has acknowledged them.

    Args:
        note: hears what is worth a line in the log: ``raised``, ``cleared`` or ``acknowledged``, and the facts.
    """

    def __init__(self, note: Callable[[str, dict[str, Any]], None]) -> None:
        self._note = note
        self._held: dict[str, _Held] = {}

    def update(self, alarms: list[Alarm], now_s: float) -> bool:
        """What holds now; returns whether anything changed. One that grew graver must be acknowledged anew."""
        now = {alarm.code: alarm for alarm in alarms}
        changed = False
        for code in [c for c in self._held if c not in now]:
            self._note("alarm_cleared", {"alarm": code, "acknowledged_by": self._held[code].acknowledged_by})
            del self._held[code]
            changed = True
        for code, alarm in now.items():
            before = self._held.get(code)
            if before is None or before.alarm.priority is not alarm.priority:
                self._held[code] = _Held(alarm, now_s)
                self._note("alarm_raised", {"alarm": code, "priority": alarm.priority.value, **alarm.data})
                changed = True
            elif before.alarm.data != alarm.data:
                before.alarm = alarm
                changed = True
        return changed

    def acknowledge(self, code: str, by: str) -> bool:
        """Somebody has seen it: its sound ends, it stays on the page while it holds. False where it does not hold."""
        held = self._held.get(code)
        if held is None:
            return False
        if not held.acknowledged_by:
            held.acknowledged_by = by
            self._note("alarm_acknowledged", {"alarm": code, "by": by})
        return True

    def shown(self, now_s: float) -> list[dict[str, Any]]:
        """For the page, the gravest first."""
        order = list(Priority)
        held = sorted(self._held.values(), key=lambda h: (order.index(h.alarm.priority), h.since_s))
        return [
            {
                "code": h.alarm.code,
                "priority": h.alarm.priority.value,
                "data": h.alarm.data,
                "held_s": round(now_s - h.since_s),
                "acknowledged_by": h.acknowledged_by,
            }
            for h in held
        ]
