"""The procedure as one table: which phase follows which, and on what.

``step`` is a pure function; nothing here knows of time other than what it is told, nor of ROS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import attrs

from pkp_supervisor import events
from pkp_supervisor.phases import INTERLOCKS, PIN_IN, Phase
from pkp_supervisor.refusals import (
    ApprovalRefusedError,
    ConditionsNotMetError,
    NoSuchTransitionError,
    OldEpochError,
    RearmRefusedError,
    WrongPhaseError,
    WrongPlanError,
)
from pkp_supervisor.state import Freshness, State

Condition = Callable[[State, float, Freshness], bool]


def _verified(state: State, now_s: float, fresh: Freshness) -> bool:
    return state.verified_s is not None and 0 <= now_s - state.verified_s <= fresh.verification_s


CONDITIONS: dict[str, Condition] = {
    "all nodes heard": lambda state, now_s, fresh: not state.silent,
    "CT ingested": lambda state, now_s, fresh: bool(state.ct_sha256),
    "plan sealed": lambda state, now_s, fresh: state.plan is not None,
    "plan of this CT": lambda state, now_s, fresh: state.plan is not None and state.plan.ct_sha256 == state.ct_sha256,
    "plan approved": lambda state, now_s, fresh: bool(state.approved_by),
    "registration accepted": lambda state, now_s, fresh: state.registered_s is not None,
    "position verified": _verified,
    "insertion confirmed": lambda state, now_s, fresh: state.inserted,
    "no pin confirmed": lambda state, now_s, fresh: not state.inserted,
    "plunger still": lambda state, now_s, fresh: state.plunger_still,
    "a side is left": lambda state, now_s, fresh: bool(state.sides_left),
    "no side is left": lambda state, now_s, fresh: not state.sides_left,
}

TABLE: tuple[tuple[Phase, Phase, tuple[str, ...]], ...] = (
    (Phase.PREFLIGHT, Phase.INGEST, ("all nodes heard",)),
    (Phase.INGEST, Phase.PLAN, ("CT ingested",)),
    (Phase.PLAN, Phase.APPROVE, ("plan sealed", "plan of this CT")),
    (Phase.APPROVE, Phase.PLAN, ()),
    (Phase.APPROVE, Phase.REGISTER, ("plan approved",)),
    (Phase.REGISTER, Phase.APPROACH, ("plan approved", "registration accepted", "a side is left")),
    (Phase.APPROACH, Phase.VERIFY, ()),
    (Phase.APPROACH, Phase.REGISTER, ()),
    (Phase.VERIFY, Phase.APPROACH, ()),
    (Phase.VERIFY, Phase.INSERT, ("position verified",)),
    # a confirmed pin is said to be out again before anything may follow the patient: two decisions, never one click
    (Phase.INSERT, Phase.INSERT, ("insertion confirmed",)),
    (Phase.INSERT, Phase.VERIFY, ("no pin confirmed",)),
    (Phase.INSERT, Phase.WITHDRAW, ()),
    (Phase.INSERT, Phase.INJECT, ("insertion confirmed",)),
    (Phase.INJECT, Phase.WITHDRAW, ("plunger still",)),
    (Phase.WITHDRAW, Phase.APPROACH, ("a side is left",)),
    (Phase.WITHDRAW, Phase.REPORT, ("no side is left",)),
)


def step(state: State, event: events.Event, now_s: float, fresh: Freshness | None = None) -> State:
    """What the state becomes.

    Args:
        now_s: monotonic time.

    Raises:
        PkpError: a child in ``refusals``; the state stays as it was.
    """
    return _HANDLERS[type(event)](state, event, now_s, fresh or Freshness())


def unmet(state: State, to: Phase, now_s: float, fresh: Freshness | None = None) -> tuple[str, ...]:
    """Conditions that keep the state from going on to ``to``.

    Raises:
        NoSuchTransitionError: the table has no such step.
    """
    for here, there, needs in TABLE:
        if (here, there) == (state.phase, to):
            return tuple(n for n in needs if not CONDITIONS[n](state, now_s, fresh or Freshness()))
    raise NoSuchTransitionError(
        f"{to.name.lower()} does not follow {state.phase.name.lower()}", phase=state.phase.name, to=to.name
    )


def ahead(state: State) -> tuple[Phase, ...]:
    """Phases that can follow."""
    return tuple(there for here, there, _ in TABLE if here is state.phase)


def signature(plan_hash: str, operator: str) -> str:
    """What an approval carries, so that it can only be given for the plan that was shown."""
    return hashlib.sha256(f"{plan_hash} {operator}".encode()).hexdigest()


def _advance(state: State, event: events.Advance, now_s: float, fresh: Freshness) -> State:
    _same_epoch(state, event.epoch)
    missing = unmet(state, event.to, now_s, fresh)
    if missing:
        raise ConditionsNotMetError(
            f"{event.to.name.lower()} waits for: {', '.join(missing)}", to=event.to.name, waits_for=list(missing)
        )
    state = attrs.evolve(state, phase=event.to)
    if event.to is Phase.APPROACH:  # a path begins anew, whichever way it was reached
        return attrs.evolve(state, side=state.sides_left[0], verified_s=None, inserted=False, plunger_still=False)
    if event.to is Phase.REGISTER:
        return attrs.evolve(state, register_since_s=now_s, registered_s=None, checked_s=None, verified_s=None)
    if event.to is Phase.VERIFY:
        return attrs.evolve(state, verified_s=None)
    if event.to is Phase.INSERT:
        return attrs.evolve(state, inserted=False)
    if event.to is Phase.PLAN:
        return attrs.evolve(state, plan=None, approved_by="")
    if event.to is Phase.WITHDRAW:
        return _withdrawing(state)
    return state


def _withdrawing(state: State) -> State:
    done = state.sides_done if state.side in state.sides_done else (*state.sides_done, state.side)
    return attrs.evolve(state, phase=Phase.WITHDRAW, sides_done=done, inserted=False)


def _plan(state: State, event: events.PlanSeen, now_s: float, fresh: Freshness) -> State:
    if state.phase is not Phase.PLAN:
        if state.plan == event:
            return state
        raise WrongPhaseError(f"a plan is taken in plan, not in {state.phase.name.lower()}", phase=state.phase.name)
    return attrs.evolve(state, plan=event, approved_by="", sides_done=())


def _ct(state: State, event: events.CtSeen, now_s: float, fresh: Freshness) -> State:
    return attrs.evolve(state, ct_sha256=event.ct_sha256) if state.phase is Phase.INGEST else state


def _approved(state: State, event: events.Approved, now_s: float, fresh: Freshness) -> State:
    if state.phase is not Phase.APPROVE:
        raise WrongPhaseError(f"a plan is approved in approve, not in {state.phase.name.lower()}", phase=state.phase.name)
    _same_plan(state, event.plan_hash)
    if not event.operator or event.signature != signature(event.plan_hash, event.operator):
        raise ApprovalRefusedError("the approval is not signed for this plan by this operator", operator=event.operator)
    return attrs.evolve(state, approved_by=event.operator)


def _registration(state: State, event: events.RegistrationSeen, now_s: float, fresh: Freshness) -> State:
    if event.plan_hash != state.plan_hash or not state.approved_by:
        return state
    if not event.accepted:
        lost = attrs.evolve(state, registered_s=None, checked_s=None, verified_s=None)
        at_work = not state.latched and state.phase not in (Phase.REGISTER, Phase.WITHDRAW, Phase.REPORT)
        return _latch(lost, Phase.STOPPED, f"registration: {event.reason or 'refused'}", now_s) if at_work else lost
    if event.measured_s > now_s:
        return state  # from a clock that is not ours
    if state.latched:
        return attrs.evolve(state, checked_s=event.measured_s) if event.measured_s > state.stopped_s else state
    if state.phase is Phase.REGISTER and event.measured_s >= state.register_since_s:  # an older one may be of before a bump
        return attrs.evolve(state, registered_s=event.measured_s)
    return state


def _verification(state: State, event: events.VerificationSeen, now_s: float, fresh: Freshness) -> State:
    if (event.plan_hash, event.side) != (state.plan_hash, state.side) or state.phase not in (Phase.VERIFY, Phase.INSERT):
        return state
    if event.verified and event.measured_s <= now_s:
        return attrs.evolve(state, verified_s=event.measured_s)
    if state.phase is Phase.INSERT and not state.inserted:
        return _latch(state, Phase.STOPPED, "verification: lost during insertion", now_s)
    return attrs.evolve(state, verified_s=None)


def _inserted(state: State, event: events.InsertionConfirmed, now_s: float, fresh: Freshness) -> State:
    if state.phase is not Phase.INSERT:
        raise WrongPhaseError(f"no pin is inserted in {state.phase.name.lower()}", phase=state.phase.name)
    _same_epoch(state, event.epoch)
    _same_plan(state, event.plan_hash)
    if event.side != state.side:
        raise WrongPlanError(f"the {state.side} side is being worked on, not {event.side}", side=state.side, given=event.side)
    if not state.inserted and not _verified(state, now_s, fresh):
        raise ConditionsNotMetError(
            "the guide's position has not just been verified: nobody knows where the pin went", waits_for=["position verified"]
        )
    return attrs.evolve(state, inserted=True)


def _delivery(state: State, event: events.DeliverySeen, now_s: float, fresh: Freshness) -> State:
    if state.phase is not Phase.INJECT or (event.plan_hash, event.side) != (state.plan_hash, state.side):
        return state
    return attrs.evolve(state, plunger_still=event.still)


def _devices(state: State, event: events.DevicesSeen, now_s: float, fresh: Freshness) -> State:
    state = attrs.evolve(state, silent=event.silent)
    missed = [name for name in INTERLOCKS[state.phase].needs if name in event.silent]
    if missed:
        return _latch(state, Phase.STOPPED, f"watchdog: {', '.join(missed)} not heard", now_s)
    if state.phase is Phase.INSERT and not state.inserted and not _verified(state, now_s, fresh):
        return _latch(state, Phase.STOPPED, "verification: silent during insertion", now_s)
    return state


def _stop(state: State, event: events.Stop, now_s: float, fresh: Freshness) -> State:
    return _latch(state, Phase.STOPPED, f"{event.source}: {event.reason}", now_s)


def _fault(state: State, event: events.Fault, now_s: float, fresh: Freshness) -> State:
    return _latch(state, Phase.FAULT, f"{event.source}: {event.reason}", now_s)


def _latch(state: State, kind: Phase, reason: str, now_s: float) -> State:
    """Stop. A second stop is a stop of its own: what was acknowledged or checked before it no longer counts."""
    return attrs.evolve(
        state,
        phase=Phase.FAULT if state.phase is Phase.FAULT else kind,
        stopped_in=state.stopped_in if state.latched else state.phase,
        epoch=state.epoch + 1,
        reason=reason,
        stopped_s=now_s,
        acknowledged_by="",
        checked_s=None,
        verified_s=None,
    )


def _acknowledge(state: State, event: events.Acknowledge, now_s: float, fresh: Freshness) -> State:
    if not state.latched:
        raise WrongPhaseError("no stop is latched", phase=state.phase.name)
    _same_epoch(state, event.epoch)
    if not event.operator:
        raise ApprovalRefusedError("an acknowledgement names its operator", operator="")
    return attrs.evolve(state, acknowledged_by=event.operator)


def _rearm(state: State, event: events.Rearm, now_s: float, fresh: Freshness) -> State:
    """Acknowledged, checked since the stop, same plan, everybody heard; before an approval there is nothing to check.

    With the pin in and no registration or not everybody to go on by, the way on is out: none of them is needed to go back.
    Otherwise a pin that is in is left to where nothing moves. A side whose pin was never confirmed is still to be treated.
    """
    if not state.latched or state.stopped_in is None:
        raise WrongPhaseError("no stop is latched", phase=state.phase.name)
    _same_epoch(state, event.epoch)
    _same_plan(state, event.plan_hash)
    lacking = []
    if not state.acknowledged_by or not event.operator:
        lacking.append("an operator's acknowledgement of this stop")
    checked = registration_checked(state, now_s, fresh)
    standing = state.stopped_in is Phase.INSERT and state.inserted
    onward = Phase.INSERT if standing else INTERLOCKS[state.stopped_in].after_rearm
    out = _only_out(state, onward, checked)
    if state.registered_s is not None and not out and not checked:
        lacking.append(f"a registration check since the stop, at most {fresh.registration_check_s:g} s old")
    to = Phase.WITHDRAW if out else onward
    lacking += [f"{name} to be heard" for name in INTERLOCKS[to].needs if name in state.silent]
    if lacking:
        raise RearmRefusedError(f"re-arm waits for: {' and '.join(lacking)}", waits_for=lacking)
    armed = attrs.evolve(
        state, phase=to, stopped_in=None, reason="", acknowledged_by="", checked_s=None, verified_s=None, plunger_still=False
    )
    return _withdrawing(armed) if out and state.inserted else armed


def _only_out(state: State, onward: Phase, checked: bool) -> bool:
    """Whether a stop can be left into withdrawal alone: it was on its way out, or the pin is in, be it half, and the
    registration is lost or somebody is not heard whom only the way ``onward`` needs. Not the tracker while a check is fresh: that
    has shown it to be there, so it is waited for."""
    if state.stopped_in is Phase.WITHDRAW:
        return True
    here = ("tracker",) if checked else ()
    gone = set(INTERLOCKS[onward].needs).intersection(state.silent).difference(INTERLOCKS[Phase.WITHDRAW].needs, here)
    return state.stopped_in in PIN_IN and (state.registered_s is None or bool(gone))


def registration_checked(state: State, now_s: float, fresh: Freshness) -> bool:
    """Whether a check measured since the stop is still fresh."""
    return (
        state.checked_s is not None
        and state.stopped_s < state.checked_s
        and now_s - state.checked_s <= fresh.registration_check_s
    )


def _same_epoch(state: State, epoch: int) -> None:
    if epoch != state.epoch:
        raise OldEpochError(f"that was meant for the time before stop {state.epoch}: look again", given=epoch, epoch=state.epoch)


def _same_plan(state: State, plan_hash: str) -> None:
    if plan_hash != state.plan_hash:
        raise WrongPlanError("that names another plan than the one in hand", given=plan_hash, plan_hash=state.plan_hash)


_HANDLERS: dict[type, Callable[[State, Any, float, Freshness], State]] = {
    events.Advance: _advance,
    events.PlanSeen: _plan,
    events.CtSeen: _ct,
    events.Approved: _approved,
    events.RegistrationSeen: _registration,
    events.VerificationSeen: _verification,
    events.InsertionConfirmed: _inserted,
    events.DeliverySeen: _delivery,
    events.DevicesSeen: _devices,
    events.Stop: _stop,
    events.Fault: _fault,
    events.Acknowledge: _acknowledge,
    events.Rearm: _rearm,
}
