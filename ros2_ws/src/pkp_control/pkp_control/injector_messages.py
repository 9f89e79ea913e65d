"""The injection in messages: nothing is decided here."""

from __future__ import annotations

import math

from builtin_interfaces.msg import Time
from pkp_lifecycle.units import PA_PER_KPA, cubic_metres
from pkp_msgs import msg
from pkp_msgs.action import Inject

from pkp_control.injection_runner import View
from pkp_control.injection_types import ARMED, InjectionState, Phase
from planning_core.cement.curing import consistency
from planning_core.devices.injector_map import DeviceState

KELVIN = 273.15
STATES = {
    Phase.DISARMED: msg.InjectorState.IDLE,
    Phase.READY: msg.InjectorState.READY,
    Phase.INJECTING: msg.InjectorState.INJECTING,
    Phase.SETTLING: msg.InjectorState.INJECTING,
    Phase.HELD: msg.InjectorState.HOLDING,
    Phase.DONE: msg.InjectorState.DONE,
    Phase.STOPPED: msg.InjectorState.STOPPED,
}


def injector_state(view: View, plan: msg.PlanReference, side: str) -> msg.InjectorState:
    """What the device last said. Without a goal being followed it speaks of the supervisor's plan and side.

    Args:
        plan, side: the supervisor's.
    """
    state, reading, segment = view.state, view.reading, view.state.segment
    at_work = state.phase in ARMED or state.phase is Phase.STOPPED
    if at_work and segment is not None and segment.order.plan_hash != plan.plan_hash:
        plan = msg.PlanReference(plan_hash=segment.order.plan_hash)
    side = segment.order.side if at_work and segment is not None else side
    mine = segment is not None and (segment.order.side, segment.order.plan_hash) == (side, plan.plan_hash)
    message = msg.InjectorState(side=side, plan=plan, state=STATES[state.phase])
    if state.phase is Phase.DONE and not mine:
        message.state = message.IDLE
    if view.faulty:
        message.state = message.FAULT
    known = side in ("left", "right")
    message.delivered_volume = cubic_metres(state.given(side).given_ml) if known else 0.0
    message.ordered_volume = cubic_metres(state.given(side).planned_ml) if known else 0.0
    message.commanded_volume = cubic_metres(sum(s.commanded_ml for s in state.segments if s.order.side == side))
    message.total_volume = cubic_metres(sum(s.given_ml for s in state.segments))
    message.plunger_position = math.nan  # the device counts volume; its bore is not on the wire
    message.cement_age = math.nan if state.clock is None else state.clock.age_s
    message.viscosity = math.nan if state.clock is None else consistency(state.clock.age_s, state.clock.config)
    message.flow = message.pressure = message.temperature = math.nan
    if reading is not None:
        message.sequence = reading.device_beat
        message.flow = cubic_metres(reading.flow_ml_s)
        message.pressure = reading.pressure_kpa * PA_PER_KPA
        message.temperature = reading.temperature_c + KELVIN
    if state.phase is Phase.STOPPED and state.stop is not None:
        message.error_code, message.error_msg = state.stop.name.lower(), view.why
    elif view.trouble is not None:
        message.error_code, message.error_msg = view.trouble.code, view.trouble.message
    return message


def operating_state(view: View, stops: int) -> msg.OperatingState:
    """CRTK's state of the device. A fault that the supervisor has latched is PAUSED unless its cause is still there: what is
    said again and again would stop every procedure that was just re-armed."""
    message = msg.OperatingState(device="injector", epoch=stops, is_homed=True, is_busy=view.state.phase in ARMED)
    message.state = message.DISABLED
    if view.state.phase in ARMED:
        message.state = message.ENABLED
    elif view.state.phase is Phase.STOPPED:
        message.state, message.reason = message.PAUSED, view.why
    if view.faulty:
        message.state, message.reason = message.FAULT, view.why or f"injector is in {DeviceState.FAULT.name}"
    return message


def feedback(view: View, elapsed_s: float) -> Inject.Feedback:
    """Of a goal being followed."""
    reading, segment = view.reading, view.state.segment
    message = Inject.Feedback(elapsed=elapsed_s)
    if segment is not None:
        message.delivered_volume = cubic_metres(view.state.given(segment.order.side).given_ml)
    if reading is not None:
        message.pressure, message.flow = reading.pressure_kpa * PA_PER_KPA, cubic_metres(reading.flow_ml_s)
    return message


def peak_pa(state: InjectionState, side: str) -> float:
    """Highest pressure of a side's segments, Pa."""
    return max((s.peak_kpa for s in state.segments if s.order.side == side), default=0.0) * PA_PER_KPA


def earlier(now: Time, age_s: float) -> Time:
    """A stamp so many seconds before another."""
    nanoseconds = now.sec * 10**9 + now.nanosec - int(max(0.0, age_s) * 1e9)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
