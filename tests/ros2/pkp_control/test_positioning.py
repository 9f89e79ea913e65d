"""The whole way of a goal, and every doubt that ends it, on a simulated clock."""

import attrs
import numpy as np
import pytest
from pkp_control.arm_config import ArmConfig
from pkp_control.positioning import Purpose, Stage
from pkp_supervisor.refusals import CommandRefusedError

from hardware_sim.arm import ArmFault
from tests.ros2.pkp_control.positioned import Bench


def reached(bench, side="left"):
    bench.say(side=side)
    bench.run(0.3)
    number = bench.begin(side=side)
    bench.until(lambda: bench.outcome(number) is not None)
    assert bench.outcome(number).code == "", bench.outcome(number)
    return bench.outcome(number)


@pytest.fixture(scope="module")
def two_sides():
    """One procedure of both sides with a withdrawal between them; what was seen on its way."""
    bench = Bench()
    seen = {}
    seen["left"] = reached(bench)
    seen["left_stage"] = bench.positioner.stage
    seen["left_rms"] = bench.rms_mm(2.0)
    bench.say(phase="INSERT", motion=False)
    count = len(bench.sent)
    bench.run(0.4)
    seen["in_insert"] = len(bench.moved_since(count + 3))
    place = bench.room.arm.true_tip()
    bench.say(phase="WITHDRAW", motion=True)
    bench.run(0.2)
    seen["not_by_itself"] = bench.positioner.stage
    bench.cameras = False
    number = bench.begin(Purpose.WITHDRAW)
    least = []
    while bench.outcome(number) is None:
        bench.step()
        least.append((place.inverse() @ bench.room.arm.true_tip()).translation_mm)
    seen["withdrawal"], seen["back"] = bench.outcome(number), np.array(least)
    bench.cameras = True
    bench.say(phase="APPROACH", side="right")
    seen["right"] = reached(bench, "right")
    seen["right_rms"] = bench.rms_mm(2.0, "right")
    return seen


def test_it_reaches_the_place_and_holds_on_the_breathing_patient(two_sides):
    assert two_sides["left_stage"] is Stage.HOLD
    for side in ("left", "right"):
        assert (two_sides[f"{side}_rms"] < 1.0).all(), two_sides[f"{side}_rms"]
        assert two_sides[side].entry_mm < 1.6
        assert two_sides[side].angle_rad < 0.02


def test_it_stands_in_insert_and_does_not_go_on_by_itself(two_sides):
    assert two_sides["in_insert"] == 0
    assert two_sides["not_by_itself"] is Stage.IDLE


def test_it_withdraws_straight_back_without_the_camera(two_sides):
    assert two_sides["withdrawal"].code == ""
    back = two_sides["back"]
    assert back[-1][2] == pytest.approx(-60.0, abs=0.5)
    assert np.abs(back[:, :2]).max() < 0.5
    assert (np.diff(back[:, 2]) < 0.05).all()


def test_a_way_begins_where_the_arm_stands_and_not_where_it_was_while_the_way_was_looked_for():
    """The mean of its last quarter of a second, as it crept to rest, was 0.6 mrad off: a jerk, at which controllers stop."""
    bench = Bench()
    reached(bench)
    bench.say(phase="INSERT", motion=False)
    bench.run(0.4)
    ways = bench.positioner._ways
    look = ways.retreat
    ways.retreat = lambda joints: look(joints + 6e-4)
    bench.say(phase="WITHDRAW", motion=True)
    bench.run(0.2)
    count = len(bench.sent)
    number = bench.begin(Purpose.WITHDRAW)
    bench.until(lambda: bench.outcome(number) is not None)
    assert bench.outcome(number).code == ""
    assert bench.room.arm.mode == "running", bench.room.arm.stop_reason
    jumps = np.abs(np.diff(bench.moved_since(count)[:60], axis=0)).max(axis=1)
    assert jumps[0] < 1e-5
    assert jumps.max() < 4e-4


def test_a_joint_state_that_came_after_the_period_began_is_no_fault():
    """A thread held up between its clock and its messages reads stamps a little ahead of that clock."""
    bench = Bench()
    bench.encoders_ahead_s = 0.004
    reached(bench)
    bench.run(0.3)
    assert bench.positioner.stage is Stage.HOLD


def test_a_silent_supervisor_means_no_setpoint_within_a_tenth_of_a_second_and_a_stop_that_it_is_told_of():
    bench = Bench()
    bench.run(0.3)
    number = bench.begin()
    bench.until(lambda: bench.positioner.stage is Stage.FREE)
    bench.run(0.2)
    word, bench.word = bench.word, None
    count = len(bench.sent)
    bench.run(0.5)
    assert not bench.moved_since(count + 13)
    assert bench.outcome(number).code == "not_permitted"
    assert "last heard" in bench.outcome(number).message
    bench.word = word  # back as if nothing had been
    count = len(bench.sent)
    bench.run(0.5)
    assert not bench.moved_since(count)
    assert bench.positioner.stage is Stage.PAUSED
    assert bench.outcome(bench.begin()).code == "stopped"
    assert "last heard" in bench.positioner.stop_wanted
    bench.say(epoch=word.epoch + 1, motion=False, phase="STOPPED")
    bench.run(0.1)
    assert not bench.positioner.stop_wanted
    assert not bench.moved_since(count)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"epoch": 1}, "old_epoch"),
        ({"side": "right"}, "wrong_plan"),
        ({"plan_hash": "0" * 64}, "wrong_plan"),
        ({"phase": "REGISTER"}, "wrong_phase"),
        ({"motion": False}, "not_permitted"),
    ],
)
def test_another_word_drops_the_goal_at_once(change, code):
    bench = Bench()
    bench.run(0.3)
    number = bench.begin()
    bench.until(lambda: bench.positioner.stage is Stage.FREE)
    bench.run(0.1)
    before = bench.word
    bench.say(**change)
    bench.until(lambda: bench.outcome(number) is not None)
    assert bench.outcome(number).code == code
    count = len(bench.sent)
    bench.word = attrs.evolve(before, sequence=bench.word.sequence, epoch=bench.word.epoch)
    bench.run(0.3)
    assert not bench.moved_since(count)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"epoch": 7}, "old_epoch"),
        ({"plan_hash": "0" * 64}, "wrong_plan"),
        ({"side": "right"}, "wrong_plan"),
        ({"goal": None}, "no_registration"),
        ({"registered_s": -1e5}, "old_registration"),
        ({"registered_s": float("nan")}, "old_registration"),
        ({"timeout_s": float("nan")}, "bad_timeout"),
        ({"timeout_s": -1.0}, "bad_timeout"),
        ({"purpose": Purpose.WITHDRAW}, "wrong_phase"),
    ],
)
def test_a_goal_that_does_not_fit_is_refused_by_name(changes, code):
    bench = Bench()
    bench.run(0.1)
    number = bench.begin(**changes)
    assert bench.outcome(number).code == code
    bench.run(0.1)
    assert not bench.moved_since(0)


def stopped(bench, number, fault):
    bench.until(lambda: bench.positioner.stage in (Stage.PAUSED, Stage.FAULT), 10.0)
    assert bench.positioner.faulty is fault
    assert bool(bench.positioner.stop_wanted) is not fault
    if number is not None:
        assert bench.outcome(number).code == ("fault" if fault else "paused")
    count = len(bench.sent)
    again = bench.begin()
    assert bench.outcome(again).code == "stopped"
    bench.run(0.3)
    assert not bench.moved_since(count)
    bench.say(epoch=bench.word.epoch + 1)  # the supervisor stopped, and an operator re-armed
    bench.run(0.1)
    assert not bench.positioner.faulty


def test_a_camera_that_goes_blind_while_holding_pauses():
    bench = Bench()
    reached(bench)
    bench.cameras = False
    bench.pending.clear()
    stopped(bench, None, fault=False)
    bench.cameras = True
    # next to the patient the new goal begins with the straight way back
    number = bench.begin()
    bench.until(lambda: bench.outcome(number) is not None)
    assert bench.outcome(number).code == ""
    assert (bench.rms_mm(1.0) < 1.2).all()


@pytest.mark.parametrize(
    ("fault", "device"), [("lag", True), ("protective", True), ("joints", True), ("registration", False), ("calibration", True)]
)
def test_a_doubt_on_the_free_way_or_after_it_stops(fault, device):
    bench = Bench()
    bench.run(0.3)
    number = bench.begin()
    stage = Stage.ADVANCE if fault == "calibration" else Stage.FREE
    bench.until(lambda: bench.positioner.stage is stage)
    bench.run(0.2)
    if fault == "lag":
        bench.room.arm.inject(ArmFault.JOINT_LAG, 0.3)
    elif fault == "protective":
        bench.room.arm.inject(ArmFault.PROTECTIVE_STOP)
    elif fault == "joints":
        bench.encoders = False
    elif fault == "calibration":
        bench.room.arm.inject(ArmFault.WRONG_CALIBRATION, 0.06)
    else:
        bench.positioner.doubt_registration("the registration was refused", bench.now_s)
    bench.until(lambda: bench.positioner.stage in (Stage.PAUSED, Stage.FAULT), 10.0)
    if fault == "calibration":
        assert bench.outcome(number).code in ("fault", "paused")
        return
    bench.encoders = True
    bench.run(0.05)
    stopped(bench, number, device)


def test_bad_joint_states_are_no_news():
    bench = Bench()
    bench.run(0.3)
    p, held = bench.positioner, bench.positioner.joints
    stamp = p.joints_s
    for bad in (np.full(6, np.nan), np.zeros(5)):
        p.observe_joints(bench.now_s, bad, bench.now_s)
    p.observe_joints(stamp - 0.1, np.zeros(6), bench.now_s)
    p.observe_joints(stamp, np.zeros(6), bench.now_s)
    p.observe_joints(bench.now_s + 1.0, np.zeros(6), bench.now_s)
    p.observe_joints(float("nan"), np.zeros(6), bench.now_s)
    np.testing.assert_array_equal(p.joints, held)


def test_a_replayed_word_is_refused_and_keeps_nothing_alive():
    bench = Bench()
    bench.run(0.3)
    old = bench.word
    with pytest.raises(CommandRefusedError):
        bench.positioner.hear(attrs.evolve(old, heard_s=bench.now_s))
    bench.begin()
    bench.until(lambda: bench.positioner.stage is Stage.FREE)
    bench.word = None
    count = len(bench.sent)
    for _ in range(60):
        with pytest.raises(CommandRefusedError):
            bench.positioner.hear(attrs.evolve(old, heard_s=bench.now_s))
        bench.step()
    assert not bench.moved_since(count + 13)


def test_a_cancel_brakes_on_the_way_and_rests():
    bench = Bench()
    bench.run(0.3)
    number = bench.begin()
    bench.until(lambda: bench.positioner.stage is Stage.FREE)
    bench.run(0.3)
    bench.positioner.cancel(number, bench.now_s)
    assert bench.outcome(number).code == "cancelled"
    bench.until(lambda: bench.positioner.stage is Stage.IDLE, 1.0)
    steps = np.diff([s for s in bench.sent if s is not None], axis=0)
    assert np.abs(steps[-1]).max() < 1e-4
    assert np.abs(np.diff(steps, axis=0)).max() / 0.008**2 < 6.0
    bench.begin()  # the epoch is still good: nobody stopped
    assert bench.positioner.stage is Stage.LOCATE


def test_nothing_seen_gives_up_before_it_moves():
    bench = Bench(config=ArmConfig(wait_s=1.0))
    bench.cameras = False
    bench.run(0.3)
    number = bench.begin()
    bench.until(lambda: bench.outcome(number) is not None, 3.0)
    assert bench.outcome(number).code == "not_seen"
    assert not bench.moved_since(0)
