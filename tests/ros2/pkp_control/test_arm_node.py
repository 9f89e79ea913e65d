"""The arm node in a process of its own, over the real middleware, with a stand-in for controller, camera and supervisor."""

import signal
import time

import numpy as np
import pytest

from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros


@pytest.fixture
def stage(tmp_path):
    """(node, stand-in, make_room): rooms and threads are ended whatever happens."""
    with ros_node() as (node, environment):
        from pkp_bringup.nodes import bring_up
        from pkp_bringup.room import Room

        from tests.ros2.pkp_control.standin import StandIn

        made = []

        def make():
            specs = tuple(s for s in bring_up("sim", tmp_path / "run") if s.name == "arm")
            made.append(Room(specs, tmp_path / "run", node, environment, lambda words: None))
            made[-1].start()
            return made[-1]

        standin = StandIn(node, tmp_path).start()
        try:
            yield node, standin, make
        finally:
            standin.end()
            for room in made:
                room.end()


class Goal:
    """One goal: sent, and how it ended."""

    def __init__(self, node, spin, standin, **fields):
        from pkp_lifecycle import names
        from pkp_msgs.action import Approach
        from rclpy.action import ActionClient

        # one client for all: making one takes so long that the stand-in of this process would fall silent
        standin.client = standin.client or ActionClient(node, Approach, names.APPROACH)
        self.client = standin.client
        until(self.client.server_is_ready, spin)
        ready_s = time.monotonic()
        until(lambda: time.monotonic() - ready_s > 0.2, spin)
        given = {"plan": standin.plan, "side": "left", "epoch": standin.word.epoch, "timeout": 60.0, **fields}
        self.stages = []
        sent = self.client.send_goal_async(
            Approach.Goal(**given), feedback_callback=lambda m: self.stages.append(m.feedback.stage)
        )
        until(sent.done, spin)
        self.handle = sent.result()
        assert self.handle.accepted
        self.future = self.handle.get_result_async()

    @property
    def done(self):
        return self.future.done()

    @property
    def result(self):
        return self.future.result().result


def test_it_reaches_the_place_holds_stops_and_withdraws(stage):
    need_ros()
    from pkp_msgs.action import Approach
    from pkp_msgs.msg import OperatingState

    node, standin, make = stage
    room = make()
    spin = room.clients.spin
    until(lambda: standin.states and standin.states[-1].is_homed, spin)
    assert code_of(node, spin, standin) == "no_registration"
    standin.register()
    assert code_of(node, spin, standin, epoch=9) == "old_epoch"
    assert code_of(node, spin, standin, side="right") == "wrong_plan"
    assert not standin.commands
    goal = Goal(node, spin, standin)
    until(lambda: goal.done, spin, 60.0)
    assert goal.result.error_code == "", goal.result
    assert goal.result.entry_error < 2e-3
    errors = []
    until(lambda: len(errors) >= 60, lambda s: (spin(0.02), errors.append(standin.error_mm())))
    assert (np.sqrt(np.mean(np.square(errors), axis=0)) < 1.5).all()
    assert standin.states[-1].state == OperatingState.ENABLED
    # the supervisor falls silent: no setpoint a tenth of a second after its last word (and what the network takes)
    standin.speaks = False
    silent_s = time.monotonic()
    until(lambda: time.monotonic() - silent_s > 0.6, spin)
    assert standin.commands[-1][0] - silent_s < 0.2
    standin.speaks, count = True, len(standin.commands)
    resumed_s = time.monotonic()
    until(lambda: time.monotonic() - resumed_s > 0.4, spin)
    assert len(standin.commands) == count
    standin.word.phase = 9
    back = Goal(node, spin, standin, purpose=Approach.Goal.WITHDRAW)
    until(lambda: back.done, spin)
    assert back.result.error_code == ""
    assert {"free way", "advance"} <= set(goal.stages)


def code_of(node, spin, standin, **fields):
    goal = Goal(node, spin, standin, **fields)
    until(lambda: goal.done, spin)
    return goal.result.error_code


def test_a_blind_camera_asks_the_supervisor_for_a_stop_and_a_killed_node_comes_back_at_rest(stage):
    need_ros()
    from pkp_msgs.msg import OperatingState

    node, standin, make = stage
    room = make()
    spin = room.clients.spin
    until(lambda: standin.states and standin.states[-1].is_homed, spin)
    standin.register()
    goal = Goal(node, spin, standin)
    until(lambda: "advance" in goal.stages or goal.done, spin, 60.0)
    assert not goal.done, goal.result
    standin.sees = False
    until(lambda: goal.done and standin.stops, spin)
    assert goal.result.error_code in ("paused", "not_permitted", "old_epoch")
    until(lambda: standin.states[-1].epoch == 1, spin)
    assert standin.states[-1].state == OperatingState.PAUSED

    # re-armed: the epoch is new, yet nothing moves before a goal; the old goal's epoch is void
    standin.sees, standin.word.motion_permitted = True, True
    standin.register()
    count = len(standin.commands)
    assert code_of(node, spin, standin, epoch=0) == "old_epoch"
    assert len(standin.commands) == count

    again = Goal(node, spin, standin)
    until(lambda: "free way" in again.stages or again.done, spin, 40.0)
    assert not again.done, again.result
    room.children[0].process.send_signal(signal.SIGKILL)
    room.children[0].process.wait()
    standin.states.clear()
    count = len(standin.commands)
    second = make()
    until(lambda: standin.states and standin.states[-1].is_homed, second.clients.spin)
    back_s = time.monotonic()
    until(lambda: time.monotonic() - back_s > 0.4, second.clients.spin)
    assert len(standin.commands) <= count + 2  # what was on the wire
    assert not standin.states[-1].is_busy


def test_lies_on_the_network_move_nothing(stage):
    need_ros()
    node, standin, make = stage
    room = make()
    spin = room.clients.spin
    until(lambda: standin.states and standin.states[-1].is_homed, spin)
    standin.register()
    goal = Goal(node, spin, standin)
    until(lambda: "free way" in goal.stages or goal.done, spin, 40.0)
    assert not goal.done, goal.result
    # joint states that are not numbers, from the past, and from the future
    standin.feels = False
    lies = [(np.full(6, np.nan), 0.0), (np.zeros(6), -1.0), (np.zeros(6), 5.0)]

    def lie(seconds):
        for values, off in lies:
            standin.joints.publish(standin.joint_message(values, time.monotonic() + off))
        spin(0.01)

    until(lambda: goal.done, lie)
    assert (goal.result.error_code, "joint state" in goal.result.error_msg) == ("fault", True)
    until(lambda: standin.states[-1].state == 3, lie)
    count = len(standin.commands)
    # an old word of the supervisor, and one of somebody else, raise nothing
    standin.feels = True
    standin.stop()
    until(lambda: standin.states[-1].epoch == 1 and standin.states[-1].state != 3, spin)
    assert code_of(node, spin, standin) == "not_permitted"
    assert len(standin.commands) == count
