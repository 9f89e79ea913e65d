"""The injection's state machine: planned millilitres out, slowly, and an end to it at the first doubt. Pure functions."""

from __future__ import annotations

import math

import attrs

from pkp_control.injection_config import InjectionConfig
from pkp_control.injection_types import (
    ARMED,
    LEAVE,
    REST,
    CounterWentBackError,
    InjectionOrder,
    InjectionRefusedError,
    InjectionState,
    InjectorCommand,
    Phase,
    Segment,
    Stop,
)
from pkp_control.injector_registers import InjectorLimits, InjectorReading
from pkp_control.leak_sign import LeakWatch
from planning_core.cement.curing import CementClock, ClockStepError, CuringInputError
from planning_core.devices.injector_map import DeviceState, Fault, Input


def to_give(state: InjectionState, order: InjectionOrder, config: InjectionConfig) -> float:
    """Millilitres an order still lacks, by the most that may have been given already.

    Raises:
        InjectionRefusedError: not a volume, more than any level takes, another volume than before, or given already.
    """
    planned = order.planned_ml
    if not (math.isfinite(planned) and 0 < planned <= config.largest_order_ml):
        raise InjectionRefusedError(f"{planned} ml is no dose (0–{config.largest_order_ml:g})", planned_ml=planned)
    had = state.given(order.side)
    lacking = planned - had.high_ml
    if lacking < config.tolerance_ml(planned) / 2:
        raise InjectionRefusedError(
            f"the {order.side} side has had {had.high_ml:.2f} of {planned:.2f} ml", planned_ml=planned, given_ml=had.high_ml
        )
    return lacking


def counts_on(segment: Segment, reading: InjectorReading, config: InjectionConfig) -> bool:
    """Whether a reading goes on from where a segment was: the same device, and a counter, which only rises, that did not fall."""
    mine = reading.serial_number == segment.serial_number and not segment.closed
    return mine and reading.displaced_ml >= segment.counter_ml - config.idle_creep_ml


def counted_from(state: InjectionState, reading: InjectorReading, config: InjectionConfig) -> float:
    """Where the next segment's volume counts from, ml on the device's counter less storage.

    Storage is reckoned from a calibration, so a high pressure may hide a little of what was given and a low one show it again:
    what is on record already is not counted a second time. Where the counter itself went back (memory lost, firmware reset), a
    dose counted from the record would begin by so much too late.

    Raises:
        CounterWentBackError: less is counted than is on record, and nobody has acknowledged that yet.
    """
    before = [s for s in state.segments if s.serial_number == reading.serial_number and not s.closed]
    if not before:
        return reading.given_ml
    last = before[-1]
    if not counts_on(last, reading, config):
        raise CounterWentBackError(
            f"the injector's counter went back, {last.counter_ml:.2f} to {reading.displaced_ml:.2f} ml: look at it, then re-arm",
            counter_ml=reading.displaced_ml,
            recorded_ml=last.counter_ml,
        )
    return max(reading.given_ml, last.start_given_ml + last.given_ml)


def limits_for(lacking_ml: float, from_ml: float, config: InjectionConfig) -> InjectorLimits:
    """What the device shall keep by itself for this dose: its counter may pass it by half the tolerance."""
    return InjectorLimits(
        from_ml + lacking_ml + config.tolerance_ml(lacking_ml) / 2,
        config.device_pressure_kpa,
        config.flow_ml_s * 1.2,
        config.watchdog_s,
    )


def arm(
    state: InjectionState,
    order: InjectionOrder,
    cement: CementClock,
    reading: InjectorReading,
    now_s: float,
    config: InjectionConfig,
) -> InjectionState:
    """Ready for one side. The device has been armed for it; nothing moves until the switch is seen open, then closed.

    Args:
        cement: the batch's clock, on the same clock as ``now_s``.

    Raises:
        InjectionRefusedError: already armed, a stop not acknowledged, device not enabled, cement too young, too old or
            not workable for long enough, or the dose as in ``to_give``. CounterWentBackError: as in ``counted_from``.
        ClockStepError, CuringInputError: from the cement's clock.
    """
    if state.phase not in (Phase.DISARMED, Phase.DONE):
        raise InjectionRefusedError(f"cannot arm while {state.phase.value}", phase=state.phase.value)
    lacking = to_give(state, order, config)
    if reading.state is not DeviceState.ENABLED or reading.faults:
        raise InjectionRefusedError(f"injector is {reading.state.name}, faults {reading.faults!r}", state=reading.state.name)
    clock = cement.look(now_s, reading.temperature_c)
    left, needed = clock.left_s(reading.temperature_c), lacking / config.flow_ml_s
    if clock.too_early or left < needed:
        raise InjectionRefusedError(
            f"cement aged {clock.age_s:.0f} s (window {clock.config.opens_s:.0f}–{clock.config.closes_s:.0f}) "
            f"has {left:.0f} s left, the dose needs {needed:.0f}",
            age_s=clock.age_s,
            left_s=left,
            needed_s=needed,
        )
    segment = Segment(order, reading.serial_number, reading.displaced_ml, counted_from(state, reading, config))
    finished = state.segments
    return InjectionState(Phase.READY, segment, lacking, finished, clock, entered_s=now_s, seen_s=now_s, last=reading, stop=None)


def acknowledge(state: InjectionState, operator: str, now_s: float) -> InjectionState:
    """An operator has seen why it stopped: DISARMED, from where it may be armed anew.

    After COUNTER the record of what was given is closed, and what comes counts from the device's counter as it stands.

    Raises:
        InjectionRefusedError: nothing stopped, or nobody's name.
    """
    if state.phase is not Phase.STOPPED or not operator.strip():
        raise InjectionRefusedError(f"{operator!r} acknowledges nothing: {state.phase.value}", phase=state.phase.value)
    if state.stop is Stop.COUNTER:
        state = attrs.evolve(state, segment=None, finished=tuple(attrs.evolve(s, closed=True) for s in state.segments))
    return attrs.evolve(state, phase=Phase.DISARMED, entered_s=now_s, flow_ml_s=0.0)


def halt(state: InjectionState, reason: Stop, now_s: float) -> InjectionState:
    """Stopped, whatever it was; the first reason is kept and volumes stay."""
    if state.phase is Phase.STOPPED:
        return state
    return attrs.evolve(state, phase=Phase.STOPPED, stop=reason, entered_s=now_s, flow_ml_s=0.0, released=False)


def step(
    state: InjectionState,
    now_s: float,
    reading: InjectorReading | None,
    permitted: bool,
    stop: Stop | None,
    config: InjectionConfig,
) -> tuple[InjectionState, InjectorCommand]:
    """One control cycle.

    Args:
        now_s: monotonic. reading: None where there is no good one. permitted: the hold-to-run switch is closed.
        stop: any reason to stop known from elsewhere.
    """
    if stop is not None:
        state = halt(_account(state, reading, config), stop, now_s)
        return state, LEAVE
    if state.phase not in ARMED:
        state = _account(state, reading, config)
        running = reading is not None and reading.state is DeviceState.ENABLED
        return state, LEAVE if running or state.phase is Phase.STOPPED else REST
    if reading is None:
        if now_s - state.seen_s > config.blind_s or not now_s >= state.seen_s:
            return halt(state, Stop.LINE, now_s), LEAVE
        pushing = state.phase in (Phase.INJECTING, Phase.SETTLING) and permitted
        return state, InjectorCommand(pushing, state.flow_ml_s if pushing else 0.0)
    try:
        seen = _see(state, now_s, reading, permitted, config)
    except (ClockStepError, CuringInputError):
        return halt(state, Stop.CLOCK, now_s), LEAVE
    why = _doubt(seen, now_s, reading, config)
    if why is not None:
        return halt(seen, why, now_s), LEAVE
    return _go_on(seen, now_s, reading, permitted, config)


def _account(state: InjectionState, reading: InjectorReading | None, config: InjectionConfig) -> InjectionState:
    """Volumes after one more reading, in any phase: the plunger's counter is believed even while nothing should move."""
    segment = state.segment
    if reading is None or segment is None or not counts_on(segment, reading, config):
        return state
    segment = attrs.evolve(
        segment,
        # cement given does not come back: a gauge that jumps up, as if all were stored, takes nothing off the record
        given_ml=max(segment.given_ml, reading.given_ml - segment.start_given_ml),
        counted_ml=max(segment.counted_ml, reading.displaced_ml - segment.start_ml),
        peak_kpa=max(segment.peak_kpa, reading.pressure_kpa),
    )
    return attrs.evolve(state, segment=segment, last=reading)


def _see(
    state: InjectionState, now_s: float, reading: InjectorReading, permitted: bool, config: InjectionConfig
) -> InjectionState:
    """The state with everything measured taken in."""
    last, clock = state.last, state.clock
    assert last is not None
    assert clock is not None
    elapsed = max(0.0, reading.device_s - last.device_s)
    # the faster of host and device clock counts: neither, stepped or slow, can make cement younger
    clock = clock.look(clock.seen_s + max(now_s - state.seen_s, elapsed), reading.temperature_c)
    state = _account(state, reading, config)
    assert state.segment is not None
    segment = attrs.evolve(state.segment, commanded_ml=state.segment.commanded_ml + state.driven_ml_s * elapsed)
    driven = state.flow_ml_s if permitted else 0.0  # what this reading's own telegram asked for, just before it
    leak = state.leak
    if leak is not None:
        # a plunger that does not follow lets pressure fall too, and that is no leak
        follows = reading.flow_ml_s >= 0.9 * state.flow_ml_s
        flow = state.flow_ml_s if follows else max(0.0, reading.flow_ml_s)
        leak = leak.look(reading.device_s, reading.pressure_kpa, flow, reading.compliance_ml_per_kpa, config)
    return attrs.evolve(state, segment=segment, clock=clock, leak=leak, seen_s=now_s, driven_ml_s=driven)


def _doubt(state: InjectionState, now_s: float, reading: InjectorReading, config: InjectionConfig) -> Stop | None:
    """The first reason not to go on, if any."""
    segment, clock = state.segment, state.clock
    assert segment is not None
    assert clock is not None
    apart = abs(segment.counted_ml - segment.commanded_ml)
    quiet = state.phase in (Phase.READY, Phase.HELD) and segment.commanded_ml == 0
    allowed = config.idle_creep_ml if quiet else config.mismatch_ml + config.mismatch_share * segment.commanded_ml
    held_long = state.phase is Phase.HELD and now_s - state.entered_s > config.hold_limit_s
    reasons = (
        (Stop.E_STOP, bool(reading.inputs & Input.E_STOP_PRESSED or reading.faults & Fault.E_STOP)),
        (Stop.DEVICE_FAULT, bool(reading.faults) or reading.state is DeviceState.FAULT),
        (Stop.DEVICE_LEFT, reading.state is not DeviceState.ENABLED),
        (Stop.RESTARTED, reading.serial_number != segment.serial_number),
        (Stop.PRESSURE, reading.pressure_kpa >= config.pressure_stop_kpa),
        (Stop.OVERDOSE, segment.given_ml > state.target_ml + config.tolerance_ml(segment.order.planned_ml)),
        (Stop.VOLUME_MISMATCH, apart > allowed or not counts_on(segment, reading, config)),
        (Stop.CEMENT_OLD, clock.too_late),
        (Stop.LEAK, state.leak is not None and state.leak.shows(config)),
        (Stop.HELD_TOO_LONG, held_long),
    )
    return next((reason for reason, is_so in reasons if is_so), None)


def flow_for(given_ml: float, left_ml: float, pressure_kpa: float, config: InjectionConfig) -> float:
    """Plunger rate, ml/s: rises over the first cement, falls in steps before the end, eases under pressure.

    Args:
        given_ml: so far in this segment. left_ml: the plunger's way to the target if all storage came out.
    """
    rise = min(1.0, max(0.0, given_ml) / config.start_ml)
    flow = config.start_flow_ml_s + (config.flow_ml_s - config.start_flow_ml_s) * rise
    for before_end, share in config.taper:
        if left_ml <= before_end:
            flow = min(flow, share * config.flow_ml_s)
    flow = min(flow, max(0.0, left_ml) / (3 * config.cycle_s))  # the last telegram may be obeyed for three cycles
    room = (config.pressure_stop_kpa - pressure_kpa) / (config.pressure_stop_kpa - config.ease_kpa)
    return flow * min(1.0, max(0.0, room))


def _go_on(
    state: InjectionState, now_s: float, reading: InjectorReading, permitted: bool, config: InjectionConfig
) -> tuple[InjectionState, InjectorCommand]:
    """No doubt: what comes next."""
    if not permitted:
        pausing = state.phase in (Phase.INJECTING, Phase.SETTLING)
        phase, since = (Phase.HELD, now_s) if pausing else (state.phase, state.entered_s)
        return attrs.evolve(state, phase=phase, entered_s=since, released=True, flow_ml_s=0.0, leak=None), REST
    if state.phase in (Phase.READY, Phase.HELD):
        if not state.released:
            return state, REST
        watch = LeakWatch.start(reading.device_s, reading.pressure_kpa, config)
        state = attrs.evolve(state, phase=Phase.INJECTING, entered_s=now_s, leak=watch, easing_s=None)
    segment = state.segment
    assert segment is not None
    short = state.target_ml - segment.given_ml
    left = state.target_ml - (reading.displaced_ml - segment.start_given_ml)
    tolerance = config.tolerance_ml(segment.order.planned_ml)
    if state.phase is Phase.SETTLING:
        if short <= config.settled_share * tolerance:
            return attrs.evolve(state, phase=Phase.DONE, entered_s=now_s, flow_ml_s=0.0), LEAVE
        if now_s - state.entered_s > config.settle_limit_s:
            if short <= tolerance / 2:
                return attrs.evolve(state, phase=Phase.DONE, entered_s=now_s, flow_ml_s=0.0), LEAVE
            return halt(state, Stop.SHORT, now_s), LEAVE
        return state, InjectorCommand(run=True)
    if left <= config.last_ml:
        return attrs.evolve(state, phase=Phase.SETTLING, entered_s=now_s, flow_ml_s=0.0, leak=None), InjectorCommand(run=True)
    flow = flow_for(segment.given_ml, left, reading.pressure_kpa, config)
    eased = flow < config.blocked_flow_ml_s and reading.pressure_kpa > config.ease_kpa
    easing = (state.easing_s if state.easing_s is not None else reading.device_s) if eased else None
    if easing is not None and reading.device_s - easing > config.blocked_s:
        return halt(state, Stop.BLOCKED, now_s), LEAVE
    return attrs.evolve(state, flow_ml_s=flow, easing_s=easing), InjectorCommand(True, flow)
