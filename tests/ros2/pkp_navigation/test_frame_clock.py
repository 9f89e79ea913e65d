import numpy as np
import pytest
from pkp_navigation.frame_clock import FrameClock

RATE, LATENCY = 60.0, 0.0142


def test_one_late_reply_does_not_move_its_stamp():
    clock = FrameClock(RATE, LATENCY)
    errors = []
    for n in range(200):
        exposed = 100.0 + n / RATE
        late = 0.05 if n == 150 else 0.0
        errors.append(clock.acquired_s(n, exposed + LATENCY + late, 0.0) - exposed)
    assert np.abs(errors).max() < 1e-9


def test_jitter_of_the_device_averages_out():
    random = np.random.default_rng(1)
    clock = FrameClock(RATE, LATENCY)
    errors = []
    for n in range(600):
        exposed = 5.0 + n / RATE
        ready = exposed + LATENCY + random.normal(0.0, 0.0018)
        received = ready + random.uniform(0.0, 0.004) + 0.0015
        errors.append(clock.acquired_s(n, received, 0.0015, not_ready_s=2 * ready - received + 0.0015) - exposed)
    assert abs(np.mean(errors[60:])) < 0.0004
    assert np.std(errors[60:]) < 0.0005


def test_a_line_that_grows_late_does_not_make_old_frames_young():
    """Every reply from frame 100 on comes 300 ms late: the frames are seen to be old, however long it lasts."""
    clock = FrameClock(RATE, LATENCY)
    for n in range(1000):
        exposed = n / RATE
        late = 0.3 if n >= 100 else 0.0
        received = exposed + LATENCY + late
        age = received - clock.acquired_s(n, received, 0.0)
        if n >= 100:
            assert age > 0.29


def test_a_stamp_is_never_later_than_the_reply():
    clock = FrameClock(RATE, 0.0)
    for n in range(100):
        received = n / RATE + (0.01 if n < 60 else 0.0)
        assert clock.acquired_s(n, received, 0.001) <= received - 0.001


def test_after_a_reset_the_counter_may_begin_again():
    clock = FrameClock(RATE, LATENCY)
    clock.acquired_s(1000, 50.0, 0.0)
    clock.reset()
    assert clock.acquired_s(0, 60.0, 0.0) == pytest.approx(60.0 - LATENCY)


def test_a_line_too_slow_to_ask_twice_is_not_taken_for_latency():
    """Every question finds data that have waited up to a frame for it."""
    random = np.random.default_rng(2)
    clock = FrameClock(RATE, LATENCY)
    errors = []
    for n in range(600):
        exposed = n / RATE
        received = exposed + LATENCY + random.uniform(0.0, 1 / RATE) + 0.014
        errors.append(clock.acquired_s(n, received, 0.014) - exposed)
    assert np.abs(errors[60:]).max() < 0.004


def contradicted(clock, ages, exchange_s=0.004):
    """What the clock says of itself at each of these frames, ages in s, where 0.1 s is too old."""
    return [clock.contradicted(age, exchange_s, n / RATE, 0.1) for n, age in enumerate(ages)]


def test_frames_that_come_at_once_and_count_as_old_for_a_second_contradict_the_clock():
    said = contradicted(FrameClock(RATE, LATENCY), [0.02] * 30 + [0.5] * 90)
    assert said.index(True) == 30 + RATE


def test_a_line_that_is_late_contradicts_nothing():
    assert not any(contradicted(FrameClock(RATE, LATENCY), [0.5] * 200, exchange_s=0.09))


def test_one_young_frame_or_a_reset_begins_the_second_anew():
    clock = FrameClock(RATE, LATENCY)
    assert not any(contradicted(clock, [0.5] * 50 + [0.02] + [0.5] * 50))
    clock.reset()
    assert not any(contradicted(clock, [0.5] * 50))
