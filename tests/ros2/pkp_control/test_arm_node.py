"""The arm node in a process of its own, over the real middleware, with a stand-in for controller, camera and supervisor."""

import signal
import time

import numpy as np
import pytest

from tests.ros2.running import ros_node, until

pytestmark = [pytest.mark.ros, pytest.mark.slow]


class Stage:
    """An operator's node, the stand-in, and rooms of one arm node."""

    def __init__(self, node, environment, folder):
        from pkp_lifecycle import names
        from pkp_msgs.action import Approach
        from pkp_msgs.msg import OperatingState, PlanReference
        from rclpy.action import ActionClient

        from tests.ros2.pkp_control.small_room import PLAN
        from tests.ros2.pkp_control.standin import Far

        self.node, self.environment, self.folder, self.rooms, self.states, self.epoch = node, environment, folder, [], [], 0
        self.far = Far(folder)
        self.far.look()
        self.plan = PlanReference(case_path=str(folder), plan_hash=PLAN.plan_hash, level="L1", sides=["left", "right"])
        node.create_subscription(OperatingState, names.ARM_STATE, self.states.append, 10)
        self.client = ActionClient(node, Approach, names.APPROACH)

    def start(self):
        """An arm node that knows its joints."""
        from pkp_bringup.nodes import bring_up
        from pkp_bringup.room import Room

        self.states.clear()
        specs = tuple(s for s in bring_up("sim", self.folder / "run") if s.name == "arm")
        self.rooms.append(Room(specs, self.folder / "run", self.node, self.environment, lambda words: None))
        self.rooms[-1].start()
        self.until(lambda: self.states and self.states[-1].is_homed and self.client.server_is_ready())

    def spin(self, seconds):
        self.rooms[-1].clients.spin(seconds)

    def until(self, condition, deadline_s=40.0):
        until(condition, self.spin, deadline_s)

    def wait(self, seconds):
        """Let time pass, to see that nothing happens in it."""
        begun_s = time.monotonic()
        self.until(lambda: time.monotonic() - begun_s > seconds)

    def goal(self, **fields):
        return Goal(self, fields)

    def stopped(self):
        """The supervisor has answered with a stop, and the arm has heard it."""
        self.until(lambda: self.states[-1].epoch > self.epoch)
        self.epoch = self.states[-1].epoch

    def rearm(self):
        """An operator lets go on."""
        self.far.say(motion_permitted=True)
        self.wait(0.1)

    def reach(self, stage=None, tries=5):
        """A goal that has come to ``stage``, or to its end. A test machine that starves the stand-in for longer than a permit
        lives makes the arm stop, rightly: then once more."""
        for _ in range(tries):
            goal = self.goal()
            self.until(lambda: goal.done or stage in goal.stages, 60.0)  # noqa: B023
            if not (goal.done and goal.result.error_code == "not_permitted"):
                break
            self.stopped()
            self.rearm()
        assert not (goal.done and goal.result.error_code), goal.result
        return goal

    def code_of(self, **fields):
        goal = self.goal(**fields)
        self.until(lambda: goal.done)
        return goal.result.error_code


class Goal:
    """One goal: sent, and how it ended."""

    def __init__(self, stage, fields):
        from pkp_msgs.action import Approach

        given = {"plan": stage.plan, "side": "left", "epoch": stage.epoch, "timeout": 60.0, **fields}
        self.stages = []
        heard = lambda message: self.stages.append(message.feedback.stage)  # noqa: E731
        sent = stage.client.send_goal_async(Approach.Goal(**given), feedback_callback=heard)
        stage.until(sent.done)
        self.handle = sent.result()
        assert self.handle.accepted
        self.future = self.handle.get_result_async()

    @property
    def done(self):
        return self.future.done()

    @property
    def result(self):
        return self.future.result().result


@pytest.fixture
def stage(tmp_path):
    with ros_node() as (node, environment):
        made = Stage(node, environment, tmp_path)
        try:
            yield made
        finally:
            made.far.close()
            for room in made.rooms:
                room.end()


def test_it_reaches_the_place_holds_stops_and_withdraws(stage):
    from pkp_msgs.action import Approach
    from pkp_msgs.msg import OperatingState

    far = stage.far
    stage.start()
    assert stage.code_of() == "no_registration"
    far.register()
    stage.wait(0.1)
    far.register(accepted=False)
    far.say_again()
    stage.wait(0.1)
    assert stage.code_of() == "no_registration"  # what was refused is not brought back by an older word
    far.register()
    stage.wait(0.1)
    assert stage.code_of(epoch=9) == "old_epoch"
    assert stage.code_of(side="right") == "wrong_plan"
    assert far.look()[0] == 0
    goal = stage.reach()
    assert goal.result.entry_error < 2e-3
    assert {"free way", "advance"} <= set(goal.stages)
    errors = []
    stage.until(lambda: errors.append(far.look()[3]) or len(errors) >= 30)
    assert (np.sqrt(np.mean(np.square(errors), axis=0)) < 1.5).all()
    assert stage.states[-1].state == OperatingState.ENABLED
    # the supervisor falls silent: no setpoint once its last word is too old (and what the network takes)
    silent_s = time.monotonic()
    from pkp_bringup.nodes import PATIENCE

    far.be(speaks=False)
    stage.wait(0.6)
    assert far.look()[1] - silent_s < PATIENCE["arm"]["permit_s"] + 0.1
    count = far.look()[0]
    far.be(speaks=True)
    stage.wait(0.4)
    assert far.look()[0] == count
    assert "last heard" in far.look()[2][-1]
    stage.stopped()
    far.say(phase=9)
    stage.rearm()
    back = stage.goal(purpose=Approach.Goal.WITHDRAW)
    stage.until(lambda: back.done)
    assert back.result.error_code == "", back.result


def test_a_blind_camera_asks_for_a_stop_and_a_killed_node_comes_back_at_rest(stage):
    from pkp_msgs.msg import OperatingState

    far = stage.far
    stage.start()
    far.register()
    stage.wait(0.1)
    goal = stage.reach("advance")
    far.be(sees=False)
    stage.until(lambda: goal.done and far.look()[2])
    assert "no good pose" in far.look()[2][-1]
    assert goal.result.error_code in ("paused", "not_permitted", "old_epoch")
    stage.stopped()
    assert stage.states[-1].state == OperatingState.PAUSED

    # re-armed: the epoch is new, yet nothing moves before a goal; the old goal's epoch is void
    count = far.look()[0]
    far.be(sees=True)
    stage.rearm()
    far.register()
    stage.wait(0.3)
    assert stage.code_of(epoch=stage.epoch - 1) in ("old_epoch", "stopped")
    assert far.look()[0] == count

    stage.reach("free way")
    killed = stage.rooms[-1].children[0].process
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    stage.wait(0.1)
    count = far.look()[0]
    stage.start()
    stage.wait(0.4)
    assert far.look()[0] == count
    assert not stage.states[-1].is_busy


def test_lies_about_the_joints_are_a_fault_until_the_supervisor_has_stopped(stage):
    from pkp_msgs.msg import OperatingState

    far = stage.far
    stage.start()
    far.register()
    stage.wait(0.1)
    goal = stage.reach("free way")
    far.be(feels=False)
    stage.until(lambda: far.lie() or goal.done)
    assert goal.result.error_code == "fault"
    assert "joint state" in goal.result.error_msg or "off its way" in goal.result.error_msg
    stage.until(lambda: stage.states[-1].state == OperatingState.FAULT)
    count = far.look()[0]
    far.be(feels=True)
    far.stop()
    stage.stopped()
    stage.until(lambda: stage.states[-1].state == OperatingState.PAUSED)
    assert stage.code_of() == "not_permitted"
    assert far.look()[0] == count
