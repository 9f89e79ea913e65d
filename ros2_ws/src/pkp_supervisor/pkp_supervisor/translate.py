"""Between messages and the workflow's own types; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from pkp_msgs import msg, srv

from pkp_supervisor import events
from pkp_supervisor.phases import INTERLOCKS, Phase
from pkp_supervisor.state import Freshness, State
from pkp_supervisor.watchdogs import Heard
from pkp_supervisor.workflow import ahead, registration_checked, unmet
from planning_core.errors import PkpError

Monotonic = Callable[[Time], float]


def plan(message: msg.PlanReference) -> events.PlanSeen:
    """A sealed plan."""
    return events.PlanSeen(message.case_path, message.plan_hash, message.level, tuple(message.sides), message.ct_sha256)


def ct(message: msg.CtReference) -> events.CtSeen:
    """An ingested CT."""
    return events.CtSeen(message.ct_sha256)


def registration(message: msg.RegistrationResult, monotonic: Monotonic) -> events.RegistrationSeen:
    """A registration or a check of one."""
    measured = monotonic(message.header.stamp)
    why = "" if message.accepted else f"{message.error_code or 'refused'} {message.error_msg}".strip()
    return events.RegistrationSeen(message.plan.plan_hash, message.accepted, measured, why)


def verification(message: msg.VerificationState, monotonic: Monotonic) -> events.VerificationSeen:
    """The guide against the plan."""
    verified = message.state == msg.VerificationState.VERIFIED
    return events.VerificationSeen(message.plan.plan_hash, message.side, verified, monotonic(message.header.stamp))


def delivery(message: msg.InjectorState) -> events.DeliverySeen:
    """Whether the plunger stands."""
    return events.DeliverySeen(message.plan.plan_hash, message.side, message.state != message.INJECTING and message.flow == 0.0)


def approved(request: srv.Approve.Request) -> events.Approved:
    """An operator's signature."""
    return events.Approved(request.plan.plan_hash, request.operator_id, request.signature)


def acknowledge(request: srv.Acknowledge.Request) -> events.Acknowledge:
    """An operator saw a stop."""
    return events.Acknowledge(request.operator_id, request.epoch)


def rearm(request: srv.Rearm.Request) -> events.Rearm:
    """An operator wants to go on."""
    return events.Rearm(request.operator_id, request.epoch, request.plan_hash)


def insertion(request: srv.ConfirmInsertion.Request) -> events.InsertionConfirmed:
    """The pin is in."""
    return events.InsertionConfirmed(request.plan_hash, request.side, request.operator_id, request.epoch)


def advance(request: srv.Advance.Request) -> events.Event:
    """On to the next phase; a number that is no phase goes nowhere."""
    to = Phase(request.phase) if request.phase in set(Phase) else Phase.FAULT
    return events.Advance(to, request.operator_id, request.epoch)


def answered(response: Any, refusal: PkpError | None) -> Any:
    """A service's answer."""
    response.accepted = refusal is None
    if refusal is not None:
        response.error_code, response.error_msg = refusal.code, refusal.message
    return response


def plan_message(state: State) -> msg.PlanReference:
    """The plan in hand; empty without one."""
    held = state.plan
    if held is None:
        return msg.PlanReference()
    return msg.PlanReference(
        case_path=held.case_path, plan_hash=held.plan_hash, level=held.level, sides=list(held.sides), ct_sha256=held.ct_sha256
    )


def state_command(state: State, supervisor: str, sequence: int, now: Time) -> msg.StateCommand:
    """What every device must be."""
    lock = INTERLOCKS[state.phase]
    message = msg.StateCommand(
        supervisor=supervisor,
        sequence=sequence,
        epoch=state.epoch,
        motion_permitted=state.motion_permitted,
        flow_permitted=state.flow_permitted,
        phase=int(state.phase),
        plan=plan_message(state),
        side=state.side,
    )
    # a device that is needed but must stand still is paused: it keeps its brakes off only where the arm holds the guide
    message.command = message.ENABLE if state.motion_permitted or state.flow_permitted else message.PAUSE
    if state.latched or not lock.needs:
        message.command = message.DISABLE
    message.header.stamp = now
    return message


def procedure_phase(state: State, now_s: float, fresh: Freshness, now: Time) -> msg.ProcedurePhase:
    """Where the procedure stands."""
    waits = {name: None for there in ahead(state) for name in unmet(state, there, now_s, fresh)}
    message = msg.ProcedurePhase(
        phase=int(state.phase),
        stopped_in=int(state.phase if state.stopped_in is None else state.stopped_in),
        side=state.side,
        sides_done=list(state.sides_done),
        waits_for=list(waits),
        plan=plan_message(state),
    )
    message.header.stamp = now
    return message


def safety_state(state: State, heard: tuple[Heard, ...], now_s: float, fresh: Freshness, now: Time) -> msg.SafetyState:
    """Whether anything may move or flow, and what a re-arm still needs."""
    needs = INTERLOCKS[state.phase].needs
    message = msg.SafetyState(
        stop_latched=state.latched,
        epoch=state.epoch,
        reason=state.reason,
        motion_permitted=state.motion_permitted,
        flow_permitted=state.flow_permitted,
        acknowledged=bool(state.acknowledged_by),
        registration_checked=registration_checked(state, now_s, fresh),
        watchdogs=[msg.Watchdog(name=h.name, age=h.age_s, limit=h.limit_s, needed=h.name in needs) for h in heard],
    )
    message.header.stamp = now
    return message
