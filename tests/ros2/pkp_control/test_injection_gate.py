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


def words(made, sequences, at_s, pressed=True):
    """The switch says so every 50 ms; whether it was ever taken for closed."""
    closed = False
    for n, sequence in enumerate(sequences):
        now_s = at_s + 0.05 * n
        made.press(attrs.evolve(PRESS, sequence=sequence, pressed=pressed, made_s=now_s, heard_s=now_s))
        closed |= made.closed(ORDER, now_s)
    return closed


def test_a_console_that_was_restarted_is_believed_after_a_release_and_a_new_press():
    """Its count begins anew, under the grip of a thumb that pressed for the console before it."""
    made = gate(WORD)
    assert words(made, range(1, 601), 10.0)
    assert not words(made, range(1, 700), 50.0)  # past the old number too
    assert not words(made, [700], 85.0, pressed=False)
    assert words(made, [701], 85.05)


@pytest.mark.parametrize("last", [1, 600])
def test_a_short_grip_of_a_restarted_console_is_none(last):
    made = gate(WORD)
    assert words(made, range(1, last + 1), 10.0)
    assert not words(made, (1, 2, 3), 50.0)
    assert not words(made, (4,), 50.15, pressed=False)
    assert words(made, (5,), 50.2)


def test_a_lower_number_is_no_new_count_while_the_other_is_heard_nor_with_an_old_stamp():
    made = gate(WORD)
    assert words(made, range(1, 11), 10.0)
    assert not words(made, (1,), 10.5, pressed=False)
    assert not words(made, (2, 3), 10.55)
    for n in range(1, 11):  # what was recorded is played again after a silence
        made.press(attrs.evolve(PRESS, sequence=n, pressed=n > 1, made_s=10.0 + 0.05 * n, heard_s=20.0 + 0.05 * n))
        assert not made.closed(ORDER, 20.0 + 0.05 * n)


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
