import contextlib
import math

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkp_supervisor.guard import Command, CommandGuard, Limits, Permit
from pkp_supervisor.refusals import (
    CommandRefusedError,
    NotFiniteError,
    NotPermittedError,
    OldEpochError,
    OtherSupervisorError,
    OutOfLimitsError,
    ReplayedError,
    StaleError,
    WrongPlanError,
)

PERMIT = Permit("one", 1, 0, True, False, "approach", "hash", "left", 10.0)
COMMAND = Command("motion", (0.1, -0.2), 1, 0, "hash", "left", 10.02)
NOW = 10.03


def guard(permit=PERMIT):
    made = CommandGuard(Limits(("a", "b"), (-1.0, -1.0), (1.0, 1.0)))
    if permit is not None:
        made.hear(permit)
    return made


def test_a_sound_command_goes_through():
    np.testing.assert_array_equal(guard().check(COMMAND, NOW), [0.1, -0.2])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"values": (math.nan, 0.0)}, NotFiniteError),
        ({"values": (math.inf, 0.0)}, NotFiniteError),
        ({"values": (0.0,)}, NotFiniteError),
        ({"values": (0.0, 1.01)}, OutOfLimitsError),
        ({"kind": "flow"}, NotPermittedError),
        ({"epoch": 1}, OldEpochError),
        ({"plan_hash": "other"}, WrongPlanError),
        ({"side": "right"}, WrongPlanError),
        ({"made_s": 9.9}, StaleError),
        ({"made_s": 10.2}, StaleError),
        ({"made_s": math.nan}, StaleError),
    ],
)
def test_what_is_wrong_is_refused_by_name(change, error):
    with pytest.raises(error):
        guard().check(attrs.evolve(COMMAND, **change), NOW)


def test_silence_of_the_supervisor_refuses():
    with pytest.raises(StaleError):
        guard(None).check(COMMAND, NOW)
    late = guard()
    assert late.may("motion", 10.1)
    assert not late.may("motion", 10.101)
    with pytest.raises(StaleError):
        late.check(attrs.evolve(COMMAND, made_s=10.2), 10.2)


def test_a_replayed_command_is_refused():
    twice = guard()
    twice.check(COMMAND, NOW)
    with pytest.raises(ReplayedError):
        twice.check(COMMAND, NOW)


def test_a_replayed_word_of_the_supervisor_is_refused():
    one = guard()
    stop = attrs.evolve(PERMIT, sequence=2, epoch=1, motion=False)
    one.hear(stop)
    for old in (PERMIT, attrs.evolve(PERMIT, sequence=3)):
        with pytest.raises(ReplayedError):
            one.hear(old)
    assert not one.may("motion", NOW)


def test_two_supervisors_are_believed_neither():
    one = guard()
    with pytest.raises(OtherSupervisorError):
        one.hear(attrs.evolve(PERMIT, supervisor="two", heard_s=10.01))
    assert not one.may("motion", 10.02)


def test_a_restarted_supervisor_is_heard_once_the_old_one_is_silent():
    one = guard()
    one.hear(attrs.evolve(PERMIT, supervisor="two", heard_s=11.0))
    assert one.may("motion", 11.0)


def test_while_two_supervisors_speak_neither_is_ever_believed():
    one = guard()
    for n in range(1, 40):
        now = 10.0 + 0.0125 * n
        word = attrs.evolve(PERMIT, sequence=n + 1, heard_s=now, supervisor="two" if n % 2 else "one")
        if n % 2:
            with pytest.raises(OtherSupervisorError):
                one.hear(word)
        else:
            one.hear(word)
        assert not one.may("motion", now)
    alone = attrs.evolve(PERMIT, sequence=100, heard_s=now + 0.11)
    one.hear(alone)
    assert one.may("motion", now + 0.11)


def test_a_second_supervisor_is_believed_soon_after_the_first_has_ended():
    one = guard(attrs.evolve(PERMIT, supervisor="old", heard_s=0.0))
    believed = []
    for n in range(12):
        now = 0.02 + 0.025 * n
        with contextlib.suppress(OtherSupervisorError):
            one.hear(attrs.evolve(PERMIT, supervisor="new", sequence=n, heard_s=now))
        believed.append((now, one.may("motion", now)))
    assert not any(yes for now, yes in believed if now <= 0.1)
    assert all(yes for now, yes in believed if now >= 0.15)


def test_limits_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        Limits(("a",), (math.nan,), (1.0,))


ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(values=st.lists(ANY, max_size=4), made=ANY, now=ANY, heard=ANY, motion=st.booleans())
def test_whatever_goes_through_is_permitted_fresh_and_within_limits(values, made, now, heard, motion):
    one = guard(attrs.evolve(PERMIT, heard_s=heard, motion=motion))
    try:
        passed = one.check(attrs.evolve(COMMAND, values=values, made_s=made), now)
    except (CommandRefusedError, OldEpochError, WrongPlanError):
        return
    assert motion
    assert passed.shape == (2,)
    assert (np.abs(passed) <= 1.0).all()
    assert -0.005 <= now - made <= 0.1
    assert -0.005 <= now - heard <= 0.1
