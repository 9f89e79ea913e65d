"""A positioner with its room on a simulated clock."""

import attrs
import numpy as np
from pkp_control.arm_config import ArmConfig
from pkp_control.kinematics import PLATE, TIP, ArmKinematics, ArmModel
from pkp_control.limits import MotionLimits
from pkp_control.planned_path import planned_goal
from pkp_control.positioning import Order, Positioner, Purpose
from pkp_control.route import Router
from pkp_supervisor.guard import Permit

from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.small_room import PLAN, SmallRoom

PERIOD_S = 0.008


class WaysHere:
    """Looks for ways at once, here."""

    def __init__(self, config):
        self.router, self.found = Router(config, MotionLimits()), None

    def _ask(self, what, *arguments):
        try:
            self.found = what(*arguments)
        except PkpError as error:
            self.found = error

    def approach(self, *arguments):
        self._ask(self.router.approach, *arguments)

    def retreat(self, *arguments):
        self._ask(self.router.retreat, *arguments)

    def call_off(self):
        self.found = None

    def answer(self):
        if isinstance(self.found, PkpError):
            raise self.found
        return self.found


class Bench:
    """Steps room and positioner together; the supervisor speaks at 50 Hz while ``word`` is set."""

    def __init__(self, seed=1, config=None, **room):
        self.room = SmallRoom(seed, **room)
        self.config = config or ArmConfig()
        kin = ArmKinematics.load(ArmModel.UR5)
        tool = RigidTransform("robot_ref", TIP, (kin.flange_from(PLATE).inverse() @ kin.flange_from(TIP)).matrix)
        self.positioner = Positioner(kin, self.config, tool, WaysHere(self.config))
        self.now_s, self.ticks, self.frames, self.number = 0.0, 0, 0, 0
        self.pending = []
        self.word = Permit("sup", 0, 0, True, False, "APPROACH", PLAN.plan_hash, "left", 0.0)
        self.sent = []
        self.cameras = self.encoders = True
        self.encoders_ahead_s = 0.0

    def say(self, **changes):
        """The supervisor's word from now on; None of a word is silence."""
        self.word = attrs.evolve(self.word, **changes)

    def step(self):
        self.ticks += 1
        self.now_s = now_s = self.ticks * PERIOD_S
        p, room = self.positioner, self.room
        while (self.frames + 1) / 60 <= now_s:
            self.frames += 1
            stamp = self.frames / 60
            room.arm.advance(stamp)
            if self.cameras:
                self.pending.append((room.camera.arrival_s(stamp), room.samples(stamp)))
        room.arm.advance(now_s)
        if self.word is not None and self.ticks % 3 == 0:
            self.word = attrs.evolve(self.word, sequence=self.word.sequence + 1, heard_s=now_s)
            p.hear(self.word)
        while self.pending and self.pending[0][0] <= now_s:
            for sample in self.pending.pop(0)[1]:
                p.observe(sample, now_s)
        if self.encoders:
            state = room.arm.joint_state()
            p.observe_joints(state.stamp_s + self.encoders_ahead_s, state.joints, now_s)
        setpoint = p.step(now_s)
        self.sent.append(setpoint)
        if setpoint is not None and room.arm.mode == "running":
            room.arm.command(setpoint)

    def run(self, seconds):
        for _ in range(round(seconds / PERIOD_S)):
            self.step()

    def until(self, condition, most_s=60.0):
        end = self.now_s + most_s
        while not condition():
            assert self.now_s < end, (self.positioner.stage, self.positioner.reason, list(self.positioner.outcomes))
            self.step()

    def order(self, purpose=Purpose.APPROACH, side="left", **changes):
        self.number += 1
        goal = planned_goal(PLAN, side, self.room.registration) if purpose is Purpose.APPROACH else None
        order = Order(self.number, purpose, PLAN.plan_hash, side, self.word.epoch, 120.0, goal, 10.0, self.now_s)
        return attrs.evolve(order, **changes)

    def begin(self, *args, **kwargs):
        order = self.order(*args, **kwargs)
        self.positioner.begin(order, self.now_s)
        return order.number

    def outcome(self, number):
        return next((o for o in self.positioner.outcomes if o.number == number), None)

    def moved_since(self, count):
        """Setpoints sent after the first ``count`` periods."""
        return [s for s in self.sent[count:] if s is not None]

    def error_mm(self, side="left"):
        return self.room.true_error_mm(side, self.room.arm.now_s)

    def rms_mm(self, seconds, side="left"):
        errors = []
        for _ in range(int(seconds / PERIOD_S)):
            self.step()
            errors.append(self.error_mm(side))
        return np.sqrt(np.mean(np.square(errors), axis=0))
