from pathlib import Path

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pkp_supervisor import drawing, events
from pkp_supervisor.guard import Command, CommandGuard, Limits, Permit
from pkp_supervisor.phases import INTERLOCKS, LATCHED, Phase
from pkp_supervisor.refusals import (
    ApprovalRefusedError,
    ConditionsNotMetError,
    NoSuchTransitionError,
    OldEpochError,
    RearmRefusedError,
    WrongPlanError,
)
from pkp_supervisor.state import Freshness, State
from pkp_supervisor.workflow import CONDITIONS, TABLE, signature, step

from planning_core.errors import PkpError

HASH = "a" * 64
CT = "c" * 64
PLAN = events.PlanSeen("/case", HASH, "L1", ("left", "right"), CT)
OPERATOR = "dr"


def go(state, *happenings, now_s=10.0):
    for event in happenings:
        state = step(state, event, now_s)
    return state


def advance(to, epoch=0):
    return events.Advance(to, OPERATOR, epoch)


APPROVED = events.Approved(HASH, OPERATOR, signature(HASH, OPERATOR))
TO_APPROACH = (
    events.DevicesSeen(()),
    advance(Phase.INGEST),
    events.CtSeen(CT),
    advance(Phase.PLAN),
    PLAN,
    advance(Phase.APPROVE),
    APPROVED,
    advance(Phase.REGISTER),
    events.RegistrationSeen(HASH, True, 10.0),
    advance(Phase.APPROACH),
)


def one_side(side):
    return (
        advance(Phase.VERIFY),
        events.VerificationSeen(HASH, side, True, 9.9),
        advance(Phase.INSERT),
        events.InsertionConfirmed(HASH, side, OPERATOR, 0),
        advance(Phase.INJECT),
        events.DeliverySeen(HASH, side, True),
        advance(Phase.WITHDRAW),
    )


def test_the_whole_procedure_goes_through_both_sides():
    state = go(State(), *TO_APPROACH, *one_side("left"), advance(Phase.APPROACH), *one_side("right"), advance(Phase.REPORT))
    assert (state.phase, state.sides_done, state.epoch) == (Phase.REPORT, ("left", "right"), 0)


def test_motion_and_flow_follow_the_phase():
    state = go(State(), *TO_APPROACH)
    seen = {}
    for event in one_side("left"):
        state = step(state, event, 10.0)
        seen[state.phase] = (state.motion_permitted, state.flow_permitted)
    assert seen == {
        Phase.VERIFY: (True, False),
        Phase.INSERT: (False, False),
        Phase.INJECT: (False, True),
        Phase.WITHDRAW: (True, False),
    }


def test_every_condition_of_the_table_is_defined_and_every_phase_is_reached():
    assert {name for _, _, needs in TABLE for name in needs} == set(CONDITIONS)
    assert {there for _, there, _ in TABLE} | {Phase.PREFLIGHT, *LATCHED} == set(Phase)
    assert set(INTERLOCKS) == set(Phase)


@pytest.mark.parametrize("to", [p for p in Phase if p is not Phase.INGEST])
def test_no_phase_is_jumped(to):
    with pytest.raises(NoSuchTransitionError):
        go(State(), advance(to))


def test_what_is_missing_is_named():
    with pytest.raises(ConditionsNotMetError, match="registration accepted") as caught:
        go(State(), *TO_APPROACH[:-2], TO_APPROACH[-1])
    assert caught.value.waits_for == ["registration accepted"]


def test_a_new_plan_withdraws_the_approval():
    state = go(State(), *TO_APPROACH[:7], advance(Phase.PLAN), attrs.evolve(PLAN, plan_hash="b" * 64), advance(Phase.APPROVE))
    assert state.approved_by == ""


def test_an_approval_for_another_plan_or_unsigned_is_refused():
    state = go(State(), *TO_APPROACH[:6])
    with pytest.raises(WrongPlanError):
        go(state, events.Approved("b" * 64, OPERATOR, signature("b" * 64, OPERATOR)))
    with pytest.raises(ApprovalRefusedError):
        go(state, events.Approved(HASH, OPERATOR, signature(HASH, "another")))


def test_an_old_verification_does_not_lead_to_insertion():
    state = go(State(), *TO_APPROACH, *one_side("left")[:2])
    with pytest.raises(ConditionsNotMetError):
        go(state, advance(Phase.INSERT), now_s=10.6)


def test_a_plan_made_on_another_ct_is_not_approved():
    state = go(State(), *TO_APPROACH[:4], attrs.evolve(PLAN, ct_sha256="d" * 64))
    with pytest.raises(ConditionsNotMetError, match="plan of this CT"):
        go(state, advance(Phase.APPROVE))
    labels_only = go(State(), *TO_APPROACH[:4], attrs.evolve(PLAN, ct_sha256=""))
    with pytest.raises(ConditionsNotMetError, match="plan of this CT"):
        go(labels_only, advance(Phase.APPROVE))


def test_a_registration_of_before_the_bump_is_not_taken_when_it_is_said_again():
    state = go(State(), *TO_APPROACH)
    again = go(state, advance(Phase.REGISTER), events.RegistrationSeen(HASH, True, 10.0), now_s=20.0)
    assert again.registered_s is None
    assert go(again, events.RegistrationSeen(HASH, True, 20.5), now_s=21.0).registered_s == 20.5


def test_silence_of_the_verification_during_insertion_stops():
    state = go(State(), *TO_APPROACH, *one_side("left")[:3])
    assert go(state, events.DevicesSeen(()), now_s=10.3).phase is Phase.INSERT
    stopped = go(state, events.DevicesSeen(()), now_s=10.5)
    assert (stopped.phase, stopped.reason) == (Phase.STOPPED, "verification: silent during insertion")
    pinned = go(state, *one_side("left")[3:4])  # the pin is in: a hand may stand in the camera's way
    assert go(pinned, events.DevicesSeen(()), now_s=12.0).phase is Phase.INSERT


def test_a_pin_is_confirmed_only_where_the_position_is_verified_and_no_stop_came_between():
    state = go(State(), *TO_APPROACH, *one_side("left")[:3])
    confirmed = events.InsertionConfirmed(HASH, "left", OPERATOR, 0)
    with pytest.raises(ConditionsNotMetError, match="verified"):
        go(state, confirmed, now_s=11.0)
    with pytest.raises(OldEpochError):
        go(state, attrs.evolve(confirmed, epoch=1))
    pinned = go(state, confirmed)
    assert go(pinned, confirmed, now_s=11.0) == pinned  # a second click


def test_losing_the_position_during_insertion_stops():
    state = go(State(), *TO_APPROACH, *one_side("left")[:3], events.VerificationSeen(HASH, "left", False, 9.9))
    assert (state.phase, state.stopped_in) == (Phase.STOPPED, Phase.INSERT)


def test_a_silent_tracker_stops_where_it_is_needed():
    assert go(State(), *TO_APPROACH[:5], events.DevicesSeen(("tracker",))).phase is Phase.PLAN
    state = go(State(), *TO_APPROACH, events.DevicesSeen(("tracker",)))
    assert (state.phase, state.reason) == (Phase.STOPPED, "watchdog: tracker not heard")


def test_a_refused_registration_stops():
    assert go(State(), *TO_APPROACH, events.RegistrationSeen(HASH, False, 9.9)).phase is Phase.STOPPED


def stopped():
    return go(State(), *TO_APPROACH, events.Stop("operator", "button"))


def rearmed(state, now_s=12.0):
    """Out of a stop as the book says."""
    checked = events.RegistrationSeen(HASH, True, now_s - 0.5)
    return go(state, events.Acknowledge(OPERATOR, state.epoch), checked, events.Rearm(OPERATOR, state.epoch, HASH), now_s=now_s)


def test_rearm_needs_acknowledgement_check_and_plan():
    state = stopped()
    acknowledge, check = events.Acknowledge(OPERATOR, 1), events.RegistrationSeen(HASH, True, 11.0)
    rearm = events.Rearm(OPERATOR, 1, HASH)
    for short in ((), (acknowledge,), (check,)):
        with pytest.raises(RearmRefusedError):
            go(state, *short, rearm, now_s=12.0)
    with pytest.raises(WrongPlanError):
        go(state, acknowledge, check, attrs.evolve(rearm, plan_hash="b" * 64), now_s=12.0)
    back = go(state, acknowledge, check, rearm, now_s=12.0)
    assert (back.phase, back.epoch, back.motion_permitted) == (Phase.APPROACH, 1, True)


def test_a_check_measured_before_the_stop_or_long_ago_does_not_count():
    state = go(stopped(), events.Acknowledge(OPERATOR, 1), now_s=12.0)
    for measured, now in ((9.9, 12.0), (11.0, 11.0 + Freshness().registration_check_s + 1)):
        with pytest.raises(RearmRefusedError):
            go(state, events.RegistrationSeen(HASH, True, measured), events.Rearm(OPERATOR, 1, HASH), now_s=now)


def test_a_click_meant_for_the_stop_before_does_nothing():
    state = go(stopped(), events.Stop("tracker", "again"))
    with pytest.raises(OldEpochError):
        go(state, events.Acknowledge(OPERATOR, 1))


IN_INJECT = one_side("left")[:5]


@pytest.mark.parametrize("happenings", [one_side("left")[:4], IN_INJECT])
def test_with_the_pin_in_and_the_registration_lost_the_way_on_is_out(happenings):
    state = go(State(), *TO_APPROACH, *happenings, events.RegistrationSeen(HASH, False, 9.9, "moved"))
    assert (state.phase, state.reason) == (Phase.STOPPED, "registration: moved")
    rearm = events.Rearm(OPERATOR, 1, HASH)
    with pytest.raises(RearmRefusedError):
        go(state, rearm)
    acknowledged = go(state, events.Acknowledge(OPERATOR, 1))
    with pytest.raises(WrongPlanError):
        go(acknowledged, attrs.evolve(rearm, plan_hash="b" * 64))
    out = go(acknowledged, rearm)
    assert (out.phase, out.motion_permitted, out.flow_permitted) == (Phase.WITHDRAW, True, False)
    assert (out.sides_done, out.inserted) == (("left",), False)
    assert not go(out, advance(Phase.APPROACH, 1)).motion_permitted


def test_rearm_waits_for_whoever_is_needed_and_silent():
    state = go(State(), *TO_APPROACH, *IN_INJECT, events.Stop("console", "a test"), events.Acknowledge(OPERATOR, 1))
    state = go(state, events.RegistrationSeen(HASH, True, 11.0), now_s=11.5)
    with pytest.raises(RearmRefusedError, match="arm to be heard"):  # which the way out needs too
        go(state, events.DevicesSeen(("arm",)), events.Rearm(OPERATOR, 1, HASH), now_s=12.0)
    back = go(state, events.DevicesSeen(("verification",)), events.Rearm(OPERATOR, 1, HASH), now_s=12.0)
    assert back.phase is Phase.INJECT  # nobody verifies there


@pytest.mark.parametrize(("happenings", "gone"), [(IN_INJECT, "injector"), (one_side("left")[:4], "verification")])
def test_whoever_is_gone_for_good_keeps_nobody_on_the_pin(happenings, gone):
    state = go(State(), *TO_APPROACH, *happenings, events.DevicesSeen((gone,)))
    assert (state.phase, state.reason) == (Phase.STOPPED, f"watchdog: {gone} not heard")
    out = rearmed(state)
    assert (out.phase, out.motion_permitted, out.flow_permitted) == (Phase.WITHDRAW, True, False)
    assert rearmed(go(state, events.DevicesSeen(()))).phase is state.stopped_in  # heard again, it goes on as ever


def test_a_silent_tracker_keeps_nobody_on_the_pin():
    state = go(State(), *TO_APPROACH, *IN_INJECT, events.DevicesSeen(("tracker",)), events.Acknowledge(OPERATOR, 1))
    out = go(state, events.Rearm(OPERATOR, 1, HASH))
    assert (out.phase, out.motion_permitted) == (Phase.WITHDRAW, True)
    # heard again, a stop in injection asks for the check as ever, and goes on injecting
    with pytest.raises(RearmRefusedError):
        go(state, events.DevicesSeen(()), events.Rearm(OPERATOR, 1, HASH))


def test_a_tracker_that_is_late_after_the_check_is_waited_for():
    """A moment's silence at the re-arm must not end a side whose registration has just been checked."""
    state = go(State(), *TO_APPROACH, *IN_INJECT, events.DevicesSeen(("tracker",)), events.Acknowledge(OPERATOR, 1))
    state = go(state, events.RegistrationSeen(HASH, True, 11.0), now_s=11.5)
    rearm = events.Rearm(OPERATOR, 1, HASH)
    with pytest.raises(RearmRefusedError, match="tracker to be heard"):
        go(state, rearm, now_s=12.0)
    assert go(state, events.DevicesSeen(()), rearm, now_s=12.0).phase is Phase.INJECT
    assert (
        go(state, rearm, now_s=80.0).phase is Phase.WITHDRAW
    )  # it does not come back: the check is old by now, the way out open


def test_withdrawal_goes_on_without_tracker_or_registration():
    state = go(State(), *TO_APPROACH, *one_side("left"), events.DevicesSeen(("tracker",)))
    state = go(state, events.RegistrationSeen(HASH, False, 9.9))
    assert (state.phase, state.motion_permitted) == (Phase.WITHDRAW, True)
    stop = go(state, events.Stop("operator", "button"), events.Acknowledge(OPERATOR, 1))
    assert not stop.motion_permitted
    again = go(stop, events.Rearm(OPERATOR, 1, HASH))
    assert (again.phase, again.sides_done, again.motion_permitted) == (Phase.WITHDRAW, ("left",), True)


def test_before_the_pin_a_lost_registration_leads_nowhere_that_moves():
    state = go(State(), *TO_APPROACH, *one_side("left")[:2], events.RegistrationSeen(HASH, False, 9.9))
    back = go(state, events.Acknowledge(OPERATOR, 1), events.Rearm(OPERATOR, 1, HASH))
    assert (back.phase, back.motion_permitted, back.flow_permitted) == (Phase.APPROACH, False, False)


@pytest.mark.parametrize("lost", [events.RegistrationSeen(HASH, False, 9.9), events.DevicesSeen(("tracker",))])
def test_a_pin_that_is_half_in_is_taken_back_and_its_side_is_still_to_be_treated(lost):
    state = go(State(), *TO_APPROACH, *one_side("left")[:3], lost, events.Acknowledge(OPERATOR, 1))
    out = go(state, events.Rearm(OPERATOR, 1, HASH))
    assert (out.phase, out.motion_permitted, out.sides_done) == (Phase.WITHDRAW, True, ())
    again = go(out, events.Stop("operator", "button"), events.Acknowledge(OPERATOR, 2), events.Rearm(OPERATOR, 2, HASH))
    assert (again.phase, again.sides_done) == (Phase.WITHDRAW, ())
    assert go(again, advance(Phase.APPROACH, 2)).side == "left"


def test_a_stop_with_the_pin_in_is_left_to_where_nothing_moves_and_the_way_out_is_open():
    stop = go(State(), *TO_APPROACH, *one_side("left")[:4], events.Stop("operator", "button"))
    back = rearmed(stop)
    assert (back.phase, back.inserted, back.motion_permitted, back.flow_permitted) == (Phase.INSERT, True, False, False)
    assert go(back, advance(Phase.WITHDRAW, 1)).motion_permitted
    assert go(back, advance(Phase.INJECT, 1)).flow_permitted
    blind = go(back, events.DevicesSeen(("tracker",)), events.Acknowledge(OPERATOR, 2), events.Rearm(OPERATOR, 2, HASH))
    assert blind.phase is Phase.WITHDRAW


def test_a_step_back_from_a_pin_that_is_in_takes_two_decisions():
    """Said to be out first: one click beside the right button moves nothing while the pin is in the bone."""
    state = go(State(), *TO_APPROACH, *one_side("left")[:4])
    with pytest.raises(ConditionsNotMetError, match="no pin confirmed"):
        go(state, advance(Phase.VERIFY))
    out = go(state, advance(Phase.INSERT))
    assert (out.phase, out.inserted, out.motion_permitted) == (Phase.INSERT, False, False)
    with pytest.raises(ConditionsNotMetError, match="insertion confirmed"):
        go(out, advance(Phase.INSERT))
    assert go(out, advance(Phase.VERIFY)).phase is Phase.VERIFY


@pytest.mark.parametrize(
    ("phase", "name"), [(Phase.VERIFY, "verification"), (Phase.INSERT, "verification"), (Phase.REGISTER, "registration")]
)
def test_who_judges_must_be_heard_where_it_judges(phase, name):
    state = attrs.evolve(go(State(), *TO_APPROACH), phase=phase)
    assert go(state, events.DevicesSeen((name,))).reason == f"watchdog: {name} not heard"


def test_a_second_stop_undoes_the_acknowledgement():
    state = go(stopped(), events.Acknowledge(OPERATOR, 1), events.Stop("operator", "again"), now_s=12.0)
    assert (state.acknowledged_by, state.checked_s, state.stopped_in) == ("", None, Phase.APPROACH)


def test_the_page_in_docs_is_drawn_from_the_table():
    page = Path(__file__).resolve().parents[3] / "docs/workflow.md"
    assert page.read_text(encoding="utf-8") == drawing.page()


HASHES = st.sampled_from([HASH, "b" * 64, ""])
SIDES = st.sampled_from(["left", "right", ""])
TIMES = st.floats(-5.0, 1.0)


class NothingMovesAfterAStop(RuleBasedStateMachine):
    """Keeps its own, simpler book of what a re-arm needs, and asks a guard for motion and flow after every input."""

    @initialize(begun=st.sampled_from([(), TO_APPROACH, *((*TO_APPROACH, *one_side("left")[:n]) for n in (3, 4, 5))]))
    def start(self, begun):
        self.now_s, self.state, self.sequence = 10.0, State(), 0
        self.guards = {kind: CommandGuard(Limits(("x",), [-1.0], [1.0])) for kind in ("motion", "flow")}
        self.stopped_s, self.acknowledged, self.checked_s, self.hash, self.in_bone = None, False, None, "", False
        self.tell(*begun)

    def tell(self, *happenings):
        for event in happenings:
            before = self.state
            try:
                self.state = step(self.state, event, self.now_s)
            except PkpError:
                assert self.state is before
                continue
            self.book(event, before)

    def book(self, event, before):
        if self.state.epoch > before.epoch:
            self.stopped_s, self.acknowledged, self.checked_s, self.hash = self.now_s, False, None, before.plan_hash
            if not before.latched:
                self.in_bone = before.inserted or before.phase is Phase.INSERT
        elif isinstance(event, events.Acknowledge):
            self.acknowledged = True
        elif isinstance(event, events.RegistrationSeen) and self.stopped_s is not None:
            fits = event.accepted and event.plan_hash == self.hash and self.stopped_s < event.measured_s <= self.now_s
            if fits:
                self.checked_s = event.measured_s
            elif not event.accepted and event.plan_hash == self.hash:
                self.checked_s = None
        elif isinstance(event, events.Rearm):
            registered = before.registered_s is not None
            assert self.acknowledged
            assert event.plan_hash == self.hash
            out = self.state.phase is Phase.WITHDRAW  # where no way of going wrong depends on a registration
            assert not registered or out or (self.checked_s is not None and self.now_s - self.checked_s <= 60.0)
            inserting = before.stopped_in is Phase.INSERT
            if out and before.stopped_in is not Phase.WITHDRAW:
                assert self.in_bone
                fresh = self.checked_s is not None and self.now_s - self.checked_s <= 60.0
                needed = {"tracker": not fresh, "verification": inserting, "injector": not inserting}
                assert not registered or any(needed[name] for name in before.silent)
            self.stopped_s = None

    @rule(dt=st.sampled_from([0.01, 0.3, 30.0]))
    def wait(self, dt):
        self.now_s += dt

    @rule(to=st.sampled_from(Phase), late=st.booleans())
    def advance(self, to, late):
        self.tell(events.Advance(to, OPERATOR, self.state.epoch - late))

    @rule(hash_=HASHES, ok=st.booleans(), back=TIMES)
    def registration(self, hash_, ok, back):
        self.tell(events.RegistrationSeen(hash_, ok, self.now_s + back))

    @rule(hash_=HASHES, side=SIDES, ok=st.booleans())
    def verification(self, hash_, side, ok):
        self.tell(events.VerificationSeen(hash_, side, ok, self.now_s))

    @rule(hash_=HASHES, side=SIDES, late=st.booleans())
    def insertion(self, hash_, side, late):
        self.tell(events.InsertionConfirmed(hash_, side, OPERATOR, self.state.epoch - late))

    @rule(hash_=HASHES, side=SIDES, still=st.booleans())
    def delivery(self, hash_, side, still):
        self.tell(events.DeliverySeen(hash_, side, still))

    @rule(hash_=HASHES)
    def plan(self, hash_):
        self.tell(attrs.evolve(PLAN, plan_hash=hash_), events.Approved(hash_, OPERATOR, signature(hash_, OPERATOR)))

    @rule(silent=st.sampled_from([(), ("tracker",), ("injector",), ("verification",)]))
    def devices(self, silent):
        self.tell(events.DevicesSeen(silent))

    @rule(kind=st.sampled_from([events.Stop, events.Fault]))
    def stop(self, kind):
        self.tell(kind("somebody", "something"))

    @rule(late=st.booleans())
    def acknowledge(self, late):
        self.tell(events.Acknowledge(OPERATOR, self.state.epoch - late))

    @rule(hash_=HASHES, late=st.booleans())
    def rearm(self, hash_, late):
        self.tell(events.Rearm(OPERATOR, self.state.epoch - late, hash_))

    @rule(acknowledge=st.booleans(), check=st.booleans(), again=st.booleans(), wait_s=st.sampled_from([0.0, 61.0]))
    def rearm_nearly(self, acknowledge, check, again, wait_s):
        self.now_s += 0.01
        if acknowledge:
            self.tell(events.Acknowledge(OPERATOR, self.state.epoch))
        if check:
            self.tell(events.RegistrationSeen(self.state.plan_hash, True, self.now_s))
        if again:
            self.now_s += 0.01
            self.tell(events.Stop("operator", "again"))
        self.now_s += wait_s
        self.tell(events.Rearm(OPERATOR, self.state.epoch, self.state.plan_hash))

    @invariant()
    def nothing_moves_while_a_stop_holds(self):
        state = self.state
        self.sequence += 1
        word = Permit(
            "s", self.sequence, state.epoch, state.motion_permitted, state.flow_permitted,
            state.phase.name, state.plan_hash, state.side, self.now_s,
        )  # fmt: skip
        for kind, guard in self.guards.items():
            guard.hear(word)
            command = Command(kind, [0.0], self.sequence, state.epoch, state.plan_hash, state.side, self.now_s)
            try:
                guard.check(command, self.now_s)
            except PkpError:
                continue
            assert self.stopped_s is None
            assert not state.latched
            assert state.approved_by
            assert state.registered_s is not None or (kind == "motion" and state.phase is Phase.WITHDRAW)

    @invariant()
    def motion_and_flow_never_go_together(self):
        assert not (self.state.motion_permitted and self.state.flow_permitted)

    @invariant()
    def nothing_but_the_way_out_moves_a_pin_that_is_in(self):
        assert not (self.state.inserted and self.state.motion_permitted) or self.state.phase is Phase.WITHDRAW


TestNothingMovesAfterAStop = NothingMovesAfterAStop.TestCase
TestNothingMovesAfterAStop.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
