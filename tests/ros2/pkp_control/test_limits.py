"""No setpoint beyond the limits, whatever comes in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkp_control.kinematics import ArmModel, InvalidJointsError
from pkp_control.limits import AxisRamp, MotionLimits, OutsideRangeError, SetpointStream, TooFastError, timed_path
from pydantic import ValidationError

from planning_core.errors import PkpError
from tests.ros2.pkp_control.procedure import kinematics

LIMITS = MotionLimits(speed_rad_s=(1.5,) * 6)
REACH = kinematics(ArmModel.UR5).range
anything = st.one_of(st.floats(-6.4, 6.4), st.floats(allow_nan=True, allow_infinity=True))
six = st.lists(anything, min_size=6, max_size=6)
inside = st.lists(st.floats(-1, 1), min_size=6, max_size=6).map(lambda v: np.array(v) * (REACH.upper - 0.02))
orders = st.lists(
    st.tuples(st.one_of(six, inside, st.just("brake")), st.one_of(st.none(), six, inside), st.integers(1, 60), st.booleans()),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=40)
@given(start=inside, orders=orders)
def test_whatever_is_asked_speed_acceleration_jerk_and_range_hold(start: np.ndarray, orders: list) -> None:
    stream = SetpointStream(REACH, LIMITS, start)
    states = [stream.setpoint]
    for target, speed, periods, pursue in orders:
        for _ in range(periods):
            try:
                if isinstance(target, str):
                    states.append(stream.brake())
                elif pursue and speed is not None:
                    states.append(stream.pursue(target, speed, 20.0))
                else:
                    states.append(stream.toward(target, speed))
            except PkpError:
                states.append(stream.brake())
    joints, speed, acceleration = (np.array([getattr(s, k) for s in states]) for k in ("joints", "speed", "acceleration"))
    assert (joints <= REACH.upper - 0.02 + 1e-9).all()
    assert (joints >= REACH.lower + 0.02 - 1e-9).all()
    assert np.abs(speed).max() <= 1.5 + 1e-9
    assert np.abs(acceleration).max() <= 2.0 + 1e-9
    assert np.abs(np.diff(acceleration, axis=0)).max(initial=0) <= 40.0 * 0.008 + 1e-9
    assert np.abs(np.diff(joints, axis=0)).max(initial=0) <= 1.5 * 0.008 + 1e-9


def test_it_arrives_and_stays() -> None:
    stream, goal = SetpointStream(REACH, LIMITS, np.zeros(6)), np.array([0.5, -0.4, 0.3, 0.2, -0.1, 0.6])
    for _ in range(300):
        setpoint = stream.toward(goal)
    np.testing.assert_allclose(setpoint.joints, goal, atol=1e-9)
    assert setpoint.at_rest


def test_a_stop_from_following_speed_takes_less_than_100_ms() -> None:
    stream = SetpointStream(REACH, MotionLimits.following(), np.zeros(6))
    for _ in range(100):
        stream.toward(np.ones(6))
    assert stream.setpoint.speed.max() == pytest.approx(0.15)
    periods = 0
    while not stream.brake().at_rest:
        periods += 1
    assert periods * 0.008 <= 0.1


@pytest.mark.parametrize("bad", [np.full(6, np.nan), np.full(6, np.inf), np.zeros(5)])
def test_not_a_number_is_refused_and_nothing_moves(bad: np.ndarray) -> None:
    stream = SetpointStream(REACH, LIMITS, np.zeros(6))
    with pytest.raises(InvalidJointsError):
        stream.toward(bad)
    with pytest.raises(InvalidJointsError):
        stream.toward(np.zeros(6), np.full(6, np.nan))
    np.testing.assert_array_equal(stream.setpoint.joints, np.zeros(6))


def test_a_target_outside_the_range_is_refused_with_the_joint() -> None:
    with pytest.raises(OutsideRangeError) as refusal:
        SetpointStream(REACH, LIMITS, np.zeros(6)).toward([0, 0, 3.2, 0, 0, 0])
    assert refusal.value.joint == 3


def test_limits_above_the_arms_are_refused() -> None:
    with pytest.raises(TooFastError):
        SetpointStream(REACH, MotionLimits(speed_rad_s=(4.0,) * 6), np.zeros(6))
    with pytest.raises(ValidationError):
        MotionLimits(jerk_rad_s3=(0.0,) * 6)


def test_a_timed_path_is_straight_between_waypoints_and_inside_the_limits() -> None:
    points = np.array([np.zeros(6), [0.5, 0.2, -0.3, 0, 0, 0.1], [0.5, -0.6, 0.3, 0, 0.4, 0.1]])
    path = timed_path(points, REACH, LIMITS)
    steps = np.abs(np.diff(path, axis=0)) / 0.008
    assert steps.max() <= 1.5 + 1e-9
    assert np.abs(np.diff(path, 2, axis=0)).max() / 0.008**2 <= 2.0 + 0.4
    np.testing.assert_allclose(path[-1], points[-1], atol=1e-9)
    corner = int(np.argmin(np.linalg.norm(path - points[1], axis=1)))
    along = points[1] / np.linalg.norm(points[1])
    off = path[:corner] - np.outer(path[:corner] @ along, along)
    assert np.abs(off).max() < 1e-9


def test_the_axis_ramp_keeps_its_speed_and_brakes_when_it_may_not_move() -> None:
    ramp = AxisRamp(30.0, 10.0, 20.0, 0.008)
    ramp.target = 0.0
    positions = [ramp.position]
    for k in range(600):
        ramp.step(move=not 100 <= k < 200)
        positions.append(ramp.position)
    speed = -np.diff(positions) / 0.008
    assert speed.max() <= 10.0 + 1e-9
    assert np.abs(speed[195:200]).max() < 1e-9
    assert positions[-1] == pytest.approx(0.0, abs=1e-9)
