"""The simulated controller."""

import numpy as np
import pytest

from hardware_sim.arm import ArmConfig, ArmFault, ArmMode, SimulatedArm
from hardware_sim.arm.device import CommandRefusedError
from planning_core.errors import InputError

START = np.array([-1.57, -1.9, 1.7, -1.4, -1.57, 0.0])


def arm(seed: int = 0) -> SimulatedArm:
    return SimulatedArm(ArmConfig(), seed, START)


def stream(device: SimulatedArm, rows: np.ndarray) -> None:
    for row in rows:
        device.command(row)
        device.advance(device.now_s + 0.008)


def smooth(amount: float, count: int = 200) -> np.ndarray:
    share = np.linspace(0, 1, count)
    return START + (amount * share**4 * (35 - 84 * share + 70 * share**2 - 20 * share**3))[:, None]


def test_it_goes_where_the_commands_lead_behind_a_small_lag() -> None:
    device = arm()
    stream(device, smooth(0.2))
    assert device.mode is ArmMode.RUNNING
    device.advance(device.now_s + 0.2)
    np.testing.assert_allclose(device.joint_state().joints, START + 0.2, atol=1e-4)


def test_the_same_seed_is_the_same_arm() -> None:
    first, again, other = arm(3), arm(3), arm(4)
    for device in (first, again, other):
        stream(device, smooth(0.1))
    np.testing.assert_array_equal(first.joint_state().joints, again.joint_state().joints)
    np.testing.assert_array_equal(first.true_tip().matrix, again.true_tip().matrix)
    assert np.linalg.norm(first.true_tip().translation_mm - other.true_tip().translation_mm) > 0.1


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (START + 0.1, "where the joints are"),
        (np.full(6, np.nan), "finite"),
        (np.zeros(5), "finite"),
        (START * np.inf, "finite"),
        (np.array([0, 0, 3.5, 0, 0, 0]), "range"),
    ],
)
def test_a_command_that_cannot_be_meant_stops_it(command: np.ndarray, reason: str) -> None:
    device = arm()
    device.command(command)
    assert device.mode is ArmMode.PROTECTIVE_STOP
    assert reason in device.stop_reason
    device.advance(1.0)
    np.testing.assert_allclose(device.joint_state().joints, START, atol=1e-4)


def test_too_fast_and_too_rough_stop_it() -> None:
    fast = arm()
    stream(fast, smooth(0.1))
    fast.command(START + 0.1 + 0.03)
    assert fast.stop_reason == "command is too fast"
    rough = arm()
    stream(rough, smooth(0.1))
    rough.command(START + 0.1 + 0.005)
    assert rough.stop_reason == "command is too rough"


def test_after_a_stop_commands_are_refused_until_it_is_released() -> None:
    device = arm()
    stream(device, smooth(0.2)[:120])
    device.inject(ArmFault.PROTECTIVE_STOP)
    with pytest.raises(CommandRefusedError):
        device.command(START)
    device.advance(device.now_s + 0.5)
    resting = device.joint_state().joints
    device.advance(device.now_s + 1.0)
    np.testing.assert_allclose(device.joint_state().joints, resting, atol=1e-4)
    device.unlock()
    device.advance(device.now_s + 1.0)
    np.testing.assert_allclose(device.joint_state().joints, resting, atol=1e-4)
    device.command(resting)
    assert device.mode is ArmMode.RUNNING


def test_a_restarted_controller_is_deaf_and_then_waits() -> None:
    device = arm()
    device.inject(ArmFault.CONTROLLER_RESTART)
    with pytest.raises(CommandRefusedError):
        device.unlock()
    device.advance(3.1)
    assert device.mode is ArmMode.IDLE
    with pytest.raises(CommandRefusedError):
        device.command(START)
    device.unlock()
    device.command(START)


def test_lag_and_wrong_calibration_can_be_asked_for() -> None:
    device = arm()
    before = device.true_tip().translation_mm
    device.inject(ArmFault.WRONG_CALIBRATION, 0.01)
    assert np.linalg.norm(device.true_tip().translation_mm - before) > 3.0
    device.inject(ArmFault.JOINT_LAG)
    stream(device, smooth(0.2, 50))
    assert np.abs(device.joint_state().joints - START - 0.2).min() > 0.01


def test_a_trajectory_is_followed_and_can_be_dropped() -> None:
    device = arm()
    rows = smooth(0.2)
    device.follow(np.arange(1, 201) * 0.008, rows)
    device.advance(2.0)
    assert not device.following
    np.testing.assert_allclose(device.joint_state().joints, START + 0.2, atol=1e-4)
    for times, points in (([0.0], rows[:1]), ([0.1, 0.1], rows[:2]), ([0.1], rows[:2])):
        with pytest.raises(InputError):
            device.follow(times, points)


def test_speed_and_acceleration_stay_inside_the_servos_limits() -> None:
    device = arm()
    speeds = []
    for row in smooth(1.0, 150):
        device.command(row)
        for _ in range(4):
            device.advance(device.now_s + 0.002)
            speeds.append(device.joint_state().speed)
    assert device.mode is ArmMode.RUNNING
    assert np.abs(speeds).max() <= device.config.speed_rad_s
    assert np.abs(np.diff(speeds, axis=0)).max() / 0.002 <= device.config.acceleration_rad_s2 + 1e-9
