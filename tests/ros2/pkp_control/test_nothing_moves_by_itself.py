"""No sequence of inputs moves the arm after a stop without a re-arm (a newer epoch) and a new goal."""

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pkp_control.compensation import ToolSample
from pkp_control.kinematics import ArmModel
from pkp_control.positioning import Positioner, Purpose, Stage
from pkp_control.route import Route
from pkp_supervisor.guard import Permit
from pkp_supervisor.refusals import CommandRefusedError

from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.positioned import PERIOD_S, Bench
from tests.ros2.pkp_control.procedure import kinematics
from tests.ros2.pkp_control.small_room import PLAN, SCAN_POSE

pytestmark = pytest.mark.slow

BENCH = Bench()
KIN = kinematics(ArmModel.UR5)
GOAL = BENCH.order().goal
STILL = {name: BENCH.room.camera.measure(name, pose) for name, pose in BENCH.room.poses(0.0).items()}
PHASES = ["APPROACH", "VERIFY", "INSERT", "WITHDRAW", "STOPPED", ""]


class ShortWay:
    """A way of half a second, at once; what is looked for is not tested here."""

    def __init__(self):
        self.found = None

    def approach(self, joints, goal, skin_mm, base_from_tracker, patient):
        ramp = np.linspace(0.0, 0.02, 60)[:, None]
        held = KIN.forward(joints + 0.02)
        self.found = Route(joints + ramp, attrs.evolve(goal, patient_from_tip=(base_from_tracker @ patient).inverse() @ held))

    def retreat(self, joints):
        self.found = Route(joints - np.linspace(0.0, 0.02, 60)[:, None], None)

    def call_off(self):
        self.found = None

    def answer(self):
        return self.found


class NothingMovesByItself(RuleBasedStateMachine):
    """Everything that can be heard, in any order; the joints follow the setpoints."""

    @initialize()
    def begin_at_rest(self):
        p = BENCH.positioner
        self.p = Positioner(KIN, BENCH.config, p._tool, ShortWay())
        self.now_s, self.sequence, self.epoch, self.frame, self.number = 1.0, 0, 0, 0, 0
        self.joints = SCAN_POSE.copy()
        self.moving_s = -1.0
        self.may_move = False  # a goal was begun under a word that allowed it, and nothing has ended it since
        self.word = None
        self.stopped_epoch = -1

    def speak(self, **fields):
        self.sequence += 1
        given = {"motion": True, "phase": "APPROACH", "plan_hash": PLAN.plan_hash, "side": "left", **fields}
        self.word = Permit("sup", self.sequence, self.epoch, flow=False, heard_s=self.now_s, **given)
        self.p.hear(self.word)

    def period(self, speaks=True, sees=True, feels=True):
        self.now_s += PERIOD_S
        if speaks and self.word is not None and self.sequence:
            self.speak(motion=self.word.motion, phase=self.word.phase, plan_hash=self.word.plan_hash, side=self.word.side)
        if sees:
            self.frame += 1
            for name, pose in STILL.items():
                shaken = pose.matrix.copy()
                shaken[0, 3] += 1e-4 * (self.frame % 7)
                self.p.observe(
                    ToolSample(name, self.frame, self.now_s - 0.012, RigidTransform("tracker", name, shaken)), self.now_s
                )
        if feels:
            self.p.observe_joints(self.now_s, self.joints + 1e-6 * (self.frame % 3), self.now_s)
        setpoint = self.p.step(self.now_s)
        if setpoint is None:
            return
        word = self.word
        assert self.may_move, "moved without a goal that was begun"
        assert word is not None
        assert self.now_s - word.heard_s <= 0.1 + 1e-9
        assert word.motion
        assert word.epoch == self.begun_epoch > self.stopped_epoch or self.p.stage is Stage.BRAKE
        assert (word.plan_hash, word.side) == (PLAN.plan_hash, "left")
        assert word.phase in self.begun.moves_in
        assert np.isfinite(setpoint).all()
        assert np.abs(setpoint - self.joints).max() < 0.02
        self.joints = setpoint

    @rule(count=st.integers(1, 90), speaks=st.booleans() | st.just(True), sees=st.booleans() | st.just(True))
    def time_passes(self, count, speaks, sees):
        for _ in range(count):
            self.period(speaks, sees)

    @rule(count=st.integers(1, 30))
    def joints_fall_silent(self, count):
        for _ in range(count):
            self.period(feels=False)

    @rule(motion=st.booleans() | st.just(True), phase=st.sampled_from(PHASES), side=st.sampled_from(["left", "right", "left"]))
    def another_word(self, motion, phase, side):
        self.speak(motion=motion, phase=phase, side=side)

    @rule(motion=st.booleans())
    def stop_and_rearm(self, motion):
        self.epoch += 1
        self.speak(motion=motion)
        self.may_move = False

    @rule(epoch=st.integers(-1, 0), purpose=st.sampled_from(list(Purpose)))
    def goal(self, epoch, purpose):
        self.number += 1
        order = BENCH.order(number=self.number, purpose=purpose, epoch=self.epoch + epoch, registered_s=self.now_s - 1, goal=GOAL)
        self.p.begin(order, self.now_s)
        if not self.p.outcomes or self.p.outcomes[-1].number != self.number:
            self.may_move, self.begun_epoch, self.begun = True, order.epoch, purpose

    @rule()
    def good_goal(self):
        self.speak()
        self.goal(0, Purpose.APPROACH)
        for _ in range(120):
            self.period()

    @rule()
    def old_word(self):
        if self.word is not None:
            try:
                self.p.hear(attrs.evolve(self.word, heard_s=self.now_s))
            except CommandRefusedError:
                return
            raise AssertionError("an old word was believed")

    @rule(what=st.sampled_from(["doubt", "fault", "cancel", "quit", "nan"]))
    def something_happens(self, what):
        if what == "nan":
            self.p.observe_joints(self.now_s, np.full(6, np.nan), self.now_s)
        elif what == "cancel":
            self.p.cancel(self.number, self.now_s)
        elif what == "quit":
            self.p.quit("end")
        else:
            getattr(self.p, what)("because", self.now_s)

    @invariant()
    def a_goal_that_ended_moves_nothing(self):
        if not hasattr(self, "p"):
            return
        if self.p.stage in (Stage.PAUSED, Stage.FAULT, Stage.IDLE):
            if self.p.stage is not Stage.IDLE and self.may_move:
                self.stopped_epoch = max(self.stopped_epoch, self.begun_epoch)
            self.may_move = False


NothingMovesByItself.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestNothingMovesByItself = NothingMovesByItself.TestCase


def test_the_machine_does_move_when_all_is_well():
    """Otherwise the laws above would hold of a stone."""
    machine = NothingMovesByItself()
    machine.begin_at_rest()
    machine.speak()
    for _ in range(60):
        machine.period()
    machine.good_goal()
    machine.time_passes(200, True, True)
    assert np.abs(machine.joints - SCAN_POSE).max() > 0.01
    assert machine.p.stage in (Stage.SETTLE, Stage.ADVANCE, Stage.HOLD)
