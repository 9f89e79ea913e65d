"""The hold-to-run switch: every cause that must let go does, and nothing that has lapsed comes back."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkp_console.hold import HoldSwitch, Press


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def switch(clock):
    return HoldSwitch(now=clock)


def press(clock, grip=1, **other):
    return attrs.evolve(Press("s1", "operator", grip, "left", 3, clock.now - 0.05), **other)


def test_it_is_pressed_while_presses_come(switch, clock):
    assert switch.word() is None
    for _ in range(50):
        clock.now += 0.05
        assert switch.press(press(clock))
        word = switch.word()
        assert (word.pressed, word.side, word.epoch, word.operator) == (True, "left", 3, "operator")
    assert switch.held_by() == "s1"


def test_letting_go_is_told_for_a_while_and_then_nothing(switch, clock):
    switch.press(press(clock))
    switch.release("s1", 1)
    assert switch.word().pressed is False
    clock.now += 0.4
    assert switch.word().pressed is False
    clock.now += 0.2
    assert switch.word() is None


def test_a_grip_that_lapsed_never_comes_back(switch, clock):
    switch.press(press(clock))
    clock.now += 0.3  # the network held its breath
    assert switch.word().pressed is False
    for _ in range(20):  # what was queued arrives all the same
        clock.now += 0.05
        assert not switch.press(press(clock))
        word = switch.word()
        assert word is None or not word.pressed
    assert switch.press(press(clock, grip=2))


def test_presses_that_show_an_old_room_do_not_count(switch, clock):
    switch.press(press(clock))
    clock.now += 0.05
    assert not switch.press(press(clock, seen_s=clock.now - 0.7))
    assert switch.word().pressed is False
    assert not switch.press(press(clock))


def test_a_press_from_the_future_does_not_count(switch, clock):
    assert not switch.press(press(clock, seen_s=clock.now + 5))


def test_a_page_that_is_gone_lets_go(switch, clock):
    switch.press(press(clock))
    switch.release("s1")
    assert switch.word().pressed is False
    assert not switch.press(press(clock))


def test_a_second_hand_neither_holds_nor_lets_go(switch, clock):
    switch.press(press(clock))
    assert not switch.press(press(clock, session="s2", operator="other"))
    switch.release("s2", 5)
    assert switch.word().operator == "operator"
    assert switch.word().pressed


@pytest.mark.parametrize("change", [{"side": "right"}, {"epoch": 4}])
def test_another_side_or_a_stop_meanwhile_lets_go(switch, clock, change):
    switch.press(press(clock))
    assert not switch.press(press(clock, **change))
    assert switch.word().pressed is False


def test_sessions_that_ended_let_go_and_leave_nothing_behind(switch, clock):
    for n in range(100):  # signed in, pressed, signed out, a hundred times
        switch.press(press(clock, session=f"s{n}"))
        switch.release(f"s{n}")
    switch.press(press(clock, session="s7", grip=2))
    switch.forget_ended(lambda session: session == "s8")
    assert switch.word().pressed is False
    assert set(switch._over) == {"s8"}
    assert not switch.press(press(clock, session="s8"))  # it lives: the grip that it had is over


def test_a_page_that_held_nothing_leaves_nothing_behind(switch):
    switch.release("s1")
    assert switch._over == {}


@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.6), st.sampled_from(["press", "release", "gone"]), st.integers(0, 3), st.floats(0, 1), st.booleans()
        ),
        max_size=60,
    )
)
def test_it_is_never_pressed_without_a_fresh_press(steps):
    clock = Clock()
    switch = HoldSwitch(now=clock)
    last = -1e9
    for wait, what, grip, behind, other in steps:
        clock.now += wait
        word = switch.word()
        if word is not None and word.pressed:
            assert clock.now - last <= 0.25
        session = "s2" if other else "s1"
        if what == "press":
            if switch.press(press(clock, grip=grip, session=session, seen_s=clock.now - behind)):
                last = clock.now
                assert behind <= 0.6
        elif what == "release":
            switch.release(session, grip)
        else:
            switch.release(session)
