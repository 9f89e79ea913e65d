"""Flow only under a fresh permit for this very order, with a thumb on the switch."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkp_control.injection_gate import InjectionGate, Order, Press
from pkp_supervisor.guard import Permit
from pkp_supervisor.refusals import CommandRefusedError, OldEpochError, WrongPlanError

ORDER = Order("plan", "left", 3)
WORD = Permit("s", 1, 3, False, True, "INJECT", "plan", "left", 10.0)
PRESS = Press("dr", 1, 3, "left", True, 10.0, 10.01)


def gate(*words, enabled=True):
    made = InjectionGate(0.06, 0.25)
    for word in words:
        made.hear(word, enabled)
    return made


def test_a_permit_lets_flow_until_it_is_old():
    made = gate(WORD)
    made.admit(ORDER, 10.05)
    assert made.permits(ORDER, 10.09)
    assert not made.permits(ORDER, 10.11)
    assert not gate().permits(ORDER, 10.0)


@pytest.mark.parametrize("change", [{"epoch": 4}, {"plan_hash": "other"}, {"side": "right"}, {"flow": False}, {"plan_hash": ""}])
def test_another_permit_does_not(change):
    made = gate(attrs.evolve(WORD, **change))
    assert not made.permits(ORDER, 10.0)
    assert made.why_not(ORDER, 10.0)
    with pytest.raises((CommandRefusedError, OldEpochError, WrongPlanError)):
        made.admit(ORDER, 10.0)


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({}, True),
        ({"pressed": False}, False),
        ({"epoch": 2}, False),
        ({"side": "right"}, False),
        ({"made_s": 9.7}, False),
        ({"made_s": 11.0}, False),
        ({"made_s": float("nan")}, False),
        ({"heard_s": float("inf")}, False),
    ],
)
def test_the_switch_is_closed_only_as_it_should_be(change, held):
    made = gate(WORD)
    made.press(attrs.evolve(PRESS, **change))
    assert made.closed(ORDER, 10.05) is held


def test_silence_replay_and_a_second_hand_release():
    made = gate(WORD)
    made.press(PRESS)
    assert made.closed(ORDER, 10.2)
    assert not made.closed(ORDER, 10.26)
    made.press(attrs.evolve(PRESS, sequence=2, made_s=10.3, heard_s=10.3))
    assert made.closed(ORDER, 10.31)
    made.press(attrs.evolve(PRESS, sequence=2, made_s=10.32, heard_s=10.32))
    assert not made.closed(ORDER, 10.33)
    made.press(attrs.evolve(PRESS, sequence=3, made_s=10.34, heard_s=10.34))
    assert made.closed(ORDER, 10.35)
    made.press(attrs.evolve(PRESS, operator="another", sequence=9, made_s=10.36, heard_s=10.36))
    assert not made.closed(ORDER, 10.37)


@given(phase=st.sampled_from(["STOPPED", "FAULT", "INJECT", "VERIFY"]), epoch=st.integers(0, 5), enabled=st.booleans())
def test_rearmed_is_a_newer_epoch_without_a_stop_and_with_devices_wanted(phase, epoch, enabled):
    made = gate(attrs.evolve(WORD, phase=phase, epoch=epoch, flow=False), enabled=enabled)
    assert made.rearmed(2, 10.0) == (epoch > 2 and enabled and phase not in ("STOPPED", "FAULT"))
    assert not made.rearmed(2, 11.0)


def test_a_stop_found_while_one_is_latched_belongs_to_that_one():
    assert gate().stop_epoch() is None
    assert gate(WORD).stop_epoch() == 3
    assert gate(attrs.evolve(WORD, epoch=4, phase="STOPPED", flow=False)).stop_epoch() == 3


def test_injection_left_in_order_is_told_from_a_stop():
    assert gate(attrs.evolve(WORD, phase="WITHDRAW", flow=False)).ended(ORDER, 10.0)
    for change in ({"phase": "STOPPED"}, {"phase": "INJECT"}, {"phase": "WITHDRAW", "epoch": 4}):
        assert not gate(attrs.evolve(WORD, flow=False, **change)).ended(ORDER, 10.0)
