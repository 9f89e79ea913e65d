"""A simulated room at work, for tests of faults: the nodes and devices that move, inject, watch and record, and an operator.

The room is that of ``./pkp up --sim`` but for planning, C-arm and registration, whose place this test takes: CT and plan are
announced as their nodes do it, and the registration is the true one; a check of it compares the standing one with what is true
now. What those nodes do under faults is tested with them; here they would take most of a small machine's time.
"""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.ros2.small_plan import path, sealed_plan

SEED, SPEED = 3, 5.0
DOSE_ML = 3.0
"""For each side: enough for many stops."""
STILL_MM = 0.02
RECORD_ML = 0.05
TRIES = 6
CEMENT_AGE_S = 240.0
MOST = 4000
STAGES = ("locate", "plan", "free way", "settle", "advance", "hold")
PLAYED = ("ct_ingest", "planner", "registration", "carm_sim")
PLAN_CT = "a1" * 32
FIELD_MM = (0.0, 0.0, 0.0)
PLAN = sealed_plan(
    path("left", (25.0, 45.0, 0.0), (8.0, 2.0, -5.0), skin_mm=35.0),
    path("right", (-25.0, 45.0, 0.0), (-8.0, 2.0, -5.0), skin_mm=35.0),
    recommended_ml=2 * DOSE_ML,
)


class RegistrationPlayed:
    """Planning and registration as the room's other nodes hear them. The transform is the true one when it was registered."""

    def __init__(self, node, sim, folder):
        from pkp_lifecycle import names
        from pkp_lifecycle.node import KEPT
        from pkp_msgs.msg import CtReference, Heartbeat, PlanReference, RegistrationResult

        from hardware_sim.room import Room as Truth

        self._node, self._truth, self._standing = node, Truth(sim), None
        case = folder / "case"
        case.mkdir(parents=True)
        (case / "plan.json").write_text(PLAN.to_json())
        self.plan = PlanReference(case_path=str(case), plan_hash=PLAN.plan_hash, level=PLAN.level, sides=["left", "right"])
        self.ct = node.create_publisher(CtReference, names.CT, KEPT)
        self.plans = node.create_publisher(PlanReference, names.PLAN, KEPT)
        self._results = node.create_publisher(RegistrationResult, names.REGISTRATION, KEPT)
        alive = node.create_publisher(Heartbeat, names.HEARTBEAT, 10)
        node.create_timer(0.1, lambda: alive.publish(Heartbeat(node="/registration", healthy=True)))

    def register(self):
        self._standing = self._true()
        self._say(True)

    def check(self):
        """Touched, as it were: whether the targets are still where the registration puts them; returns by how much not, mm."""
        true = self._true()
        targets = [p.target_mm for p in PLAN.paths]
        off_mm = float(np.linalg.norm(self._standing.apply(targets) - true.apply(targets), axis=1).max())
        self._say(off_mm < 1.0, f"check point is off by {off_mm:.1f} mm")
        return off_mm

    def _true(self):
        self._truth.hear()
        at = self._truth.spec.now_s()
        return self._truth.motion.world_from_patient_ref(at).inverse() @ self._truth.motion.world_from_ct(at)

    def _say(self, accepted, why=""):
        from pkp_control.arm_messages import transform_stamped
        from pkp_msgs.msg import RegistrationResult

        result = RegistrationResult(plan=self.plan, method="plate", accepted=accepted, check_point_error=math.nan)
        result.header.stamp, result.header.frame_id = self._node.get_clock().now().to_msg(), "patient_ref"
        result.transform = transform_stamped(self._standing, result.header.stamp).transform
        if not accepted:
            result.error_code, result.error_msg = "registration_refused", why
        self._results.publish(result)


class Goal:
    """An action's goal that nobody waits for: what stages it went through, and how it ended."""

    def __init__(self, room, client, goal):
        self.stages = []
        room.until(client.server_is_ready, "server")
        sent = client.send_goal_async(goal, feedback_callback=lambda m: self.stages.append(getattr(m.feedback, "stage", "")))
        room.until(sent.done, "goal taken")
        self.handle = sent.result()
        self.future = self.handle.get_result_async() if self.handle.accepted else None

    @property
    def done(self):
        return self.future is None or self.future.done()

    @property
    def running(self):
        return not self.done

    @property
    def code(self):
        """Empty where it was reached."""
        return "rejected" if self.future is None else self.future.result().result.error_code


class OperatingRoom:
    """See the module. ``folder``: of the run; ``environment``: of the children."""

    def __init__(self, node, environment, folder):
        from pkp_bringup.nodes import SimulatedRoom, bring_up
        from pkp_bringup.room import Room
        from pkp_lifecycle import names
        from pkp_lifecycle.polled import Polled, unspun
        from pkp_msgs import action, msg
        from pkp_simulation.hands import LineCaller
        from pkp_simulation.operator import Operator
        from rclpy.action import ActionClient
        from std_msgs.msg import Float64MultiArray

        from hardware_sim.room import Room as Truth
        from hardware_sim.room import RoomSpec
        from hardware_sim.room.control import RoomOperator
        from hardware_sim.tracker.channels import FaultChannel

        spec = RoomSpec(seed=SEED, field_lps_mm=FIELD_MM)
        place = Path(tempfile.mkdtemp(prefix="pkp-"))  # short: it holds sockets
        spec.write(place)
        self.sim = SimulatedRoom(place, SEED, spec.epoch_s, spec.camera, 0, SPEED)
        self.folder, self.node, self.environment = folder, node, {**environment, "OPENPKP_SIM": str(place)}
        self.specs = {s.name: s for s in bring_up("sim", folder, (), self.sim) if s.name not in PLAYED}
        self.make = lambda *which: Room(tuple(which), folder, node, self.environment, lambda words: None)
        self.rooms = [self.make(*self.specs.values())]
        self.names, self.msg, self.action = names, msg, action
        self.operator = Operator(node, self.spin)
        self.registration = RegistrationPlayed(node, place, folder)
        self.beats, self.arm, self.injector = 0, None, None
        node.create_subscription(msg.OperatingState, names.ARM_STATE, self._on_arm, 10)
        node.create_subscription(msg.OperatingState, names.INJECTOR_STATE, lambda m: setattr(self, "injector", m), 10)
        self.heard = []
        node.create_subscription(msg.SafetyState, names.SAFETY, lambda m: m.reason and self.heard.append(m.reason), 10)
        self._loop = unspun("setpoints")
        self._commands = Polled(self._loop, Float64MultiArray, names.JOINT_COMMANDS, MOST)
        self._approach = ActionClient(node, action.Approach, names.APPROACH)
        self._inject = ActionClient(node, action.Inject, names.INJECT)
        self.rooms[0].start()
        self.truth_of_room = Truth(place)
        self.tracker, self.people = FaultChannel(place / "tracker.control"), RoomOperator(place)
        self.wire = LineCaller(place / "injector.control")
        self.goal = self.pushing = None
        self.counted_wrongly_ml = 0.0
        self.mixed_at, self.told, self.epoch = self.fresh_cement(), 0, 0

    # the room's life

    def prepare(self):
        """Up to an accepted registration."""
        from pkp_supervisor.phases import Phase

        seen, played = self.operator, self.registration
        seen.advance(Phase.INGEST, 30.0)
        played.ct.publish(self.msg.CtReference(source="a test", ct_sha256=PLAN_CT))
        seen.advance(Phase.PLAN)
        played.plans.publish(self.plan)
        seen.advance(Phase.APPROVE)
        seen.approve(self.plan)
        seen.advance(Phase.REGISTER)
        played.register()
        return self

    def fresh_cement(self):
        """A new cartridge; when its mixing began."""
        self.wire.tell(batch="high", mixed_ago_s=CEMENT_AGE_S)
        self.wire.answer()
        return self.mixed_ago(CEMENT_AGE_S)

    @staticmethod
    def mixed_ago(seconds):
        from builtin_interfaces.msg import Time

        mixed = time.time_ns() - int(seconds * 1e9)
        return Time(sec=mixed // 10**9, nanosec=mixed % 10**9)

    def end(self):
        """Everything, whatever state it is in."""
        for spec in self.specs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process(spec).pid, signal.SIGCONT)
        for room in self.rooms:
            room.end()
        for caller in (self.tracker, self.people, self.wire):
            caller.close()
        self._commands.destroy()
        self._loop.destroy_node()
        shutil.rmtree(self.sim.folder, ignore_errors=True)

    def child(self, name):
        return next(c for room in reversed(self.rooms) for c in room.children if c.spec.name == name)

    def process(self, name):
        return self.child(name).process

    def kill(self, name):
        """As a crash does."""
        self.process(name).kill()
        self.process(name).wait()

    def restart(self, name):
        """What a person does whose node ended."""
        self.start(self.specs[name])

    def start(self, spec):
        """One process more."""
        self.rooms.append(self.make(spec))
        self.rooms[-1].start()
        return self.rooms[-1]

    def suspend(self, name, on=True):
        """Cut a node off from everybody, both ways; all that was sent meanwhile arrives when it is back."""
        self.process(name).send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    # time

    def spin(self, seconds, until=lambda: False):
        return self.rooms[0].clients.spin(seconds, until)

    def until(self, condition, what, deadline_s=30.0):
        assert self.spin(deadline_s, condition), f"{what}: not within {deadline_s:g} s; {self.report()}"

    def beat(self, count):
        """Until the arm has said so often (20 a second) how it is."""
        there = self.beats + count
        self.until(lambda: self.beats >= there, "the arm's state")

    def _on_arm(self, state):
        self.beats, self.arm = self.beats + 1, state

    # what is true, and what is known

    def tip_mm(self):
        """Where the guide's tip truly is, (3,) world."""
        self.truth_of_room.hear()
        return self.truth_of_room.arm(self.truth_of_room.spec.now_s())[1].translation_mm

    def truth(self):
        """Of the injector: delivered_ml, pushed_ml, out_ml_s and more."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(5.0)
            caller.connect(str(self.sim.folder / "injector.truth"))
            caller.sendall(b"{}\n")
            return json.loads(caller.makefile("rb").readline())

    def setpoints(self):
        """How many went to the arm since this was asked last."""
        return sum(1 for _ in self._commands.take(4000))

    def reasons(self):
        """Of all stops since the watch began: those heard, and those in the audit chain."""
        lines = [json.loads(line) for line in self.audit()[self.told :]]
        return list(dict.fromkeys([*self.heard, *(line["reason"] for line in lines if line.get("reason"))]))

    def audit(self):
        return (self.folder / "audit.jsonl").read_text().splitlines()

    @property
    def phase(self):
        from pkp_supervisor.phases import Phase

        return Phase(self.operator.phase.phase)

    @property
    def latched(self):
        return self.operator.safety is not None and self.operator.safety.stop_latched

    def report(self):
        """For a test that failed."""
        seen, ended = self.operator, [n for n in self.specs if self.process(n).poll() is not None]
        facts = {
            "phase": seen.phase and self.phase.name,
            "stop": seen.safety and (seen.safety.epoch, seen.safety.reason, self.reasons()),
            "arm": self.arm and (self.arm.state, self.arm.reason),
            "injector": self.injector and (self.injector.state, self.injector.reason),
            "goal": self.goal and (self.goal.stages[-1:], self.goal.done and self.goal.code),
            "dose": self.pushing and self.pushing.done and self.pushing.code,
            "ended": ended,
        }
        return json.dumps(facts, default=str)

    # the operator

    def to(self, phase):
        """Go on, as an operator would, until the procedure is in this phase with no stop latched."""
        from pkp_simulation.procedure import withdraw
        from pkp_supervisor.phases import Phase

        steps = {
            Phase.REGISTER: lambda: self.operator.advance(Phase.APPROACH),
            Phase.APPROACH: self._there,
            Phase.VERIFY: self._verified,
            Phase.INSERT: self._inserted,
            Phase.INJECT: lambda: self.operator.advance(Phase.WITHDRAW),
            Phase.WITHDRAW: lambda: (withdraw(self.operator, self.plan, self.side), self.operator.advance(Phase.APPROACH)),
        }
        while self.latched or self.phase is not phase:
            self._through(lambda: None if self.phase is phase else steps[self.phase]())

    def moving(self, stage):
        """An approach that has come to this stage."""
        from pkp_supervisor.phases import Phase

        self.to(Phase.APPROACH)
        if self.goal is None or self.goal.done:
            self.begin_approach()
        goal, wanted = self.goal, STAGES[STAGES.index(stage) :]  # a short one may pass between two words of the arm
        there = lambda: any(seen in wanted for seen in goal.stages)  # noqa: E731
        self.until(lambda: there() or goal.done, f"stage {stage}", 60.0)
        assert there(), self.report()
        return goal

    def begin_approach(self):
        self.people.hold_breath(False)
        goal = self.action.Approach.Goal
        self.goal = Goal(self, self._approach, goal(plan=self.plan, side=self.side, epoch=self.operator.epoch, timeout=90.0))

    def begin_withdrawal(self):
        goal = self.action.Approach.Goal
        wanted = goal(purpose=goal.WITHDRAW, plan=self.plan, side=self.side, epoch=self.operator.epoch, timeout=60.0)
        self.goal = Goal(self, self._approach, wanted)
        return self.goal

    def begin_dose(self):
        """The rest of this side's dose, switch open."""
        seen = self.operator
        seen.press(self.side, False)
        goal = self.action.Inject.Goal(plan=self.plan, side=self.side, epoch=seen.epoch, mixed_at=self.mixed_at)
        goal.volume = DOSE_ML * 1e-6
        self.pushing = Goal(self, self._inject, goal)

    def flowing(self):
        """Cement that truly flows under the operator's switch."""
        from pkp_supervisor.phases import Phase

        self.to(Phase.INJECT)
        if self.pushing is None or self.pushing.done:
            self.begin_dose()
            self.until(lambda: self.operator.injector.state == self.msg.InjectorState.READY or self.pushing.done, "armed")
            assert self.pushing.running, self.report()
        self.operator.press(self.side, True)
        before = self.truth()["delivered_ml"]
        self.until(lambda: self.truth()["delivered_ml"] > before + 0.02 or self.pushing.done, "flow")
        assert self.pushing.running, self.report()

    @property
    def plan(self):
        return self.registration.plan

    @property
    def side(self):
        return self.operator.phase.side

    def _there(self):
        from pkp_supervisor.phases import Phase

        if self.goal is None or self.goal.done:
            self.begin_approach()
        goal = self.goal
        self.operator.wait("the place", lambda: goal.done, 60.0)
        assert not goal.code, self.report()
        self.operator.advance(Phase.VERIFY)

    def _verified(self):
        from pkp_supervisor.phases import Phase

        seen = self.operator
        self.people.hold_breath(True)
        seen.until_still(30.0)
        seen.until_verified(self.side, 10.0, seen.now_s())
        seen.advance(Phase.INSERT)

    def _inserted(self):
        from pkp_supervisor.phases import Phase

        self.operator.confirm_insertion(self.plan, self.side)
        self.people.hold_breath(False)
        self.mixed_at = self.fresh_cement()
        self.operator.advance(Phase.INJECT)

    def _through(self, piece):
        """A piece of work, begun anew after stops that nobody asked for: this machine may be busy."""
        from planning_core.errors import PkpError

        for left in reversed(range(TRIES)):
            try:
                if self.latched:
                    self.recover()
                return piece()
            except PkpError:
                if not left or not (self.operator.stopped_within(1.0) or left > TRIES - 2):
                    raise
        return None

    def recover(self):
        """Acknowledge, check, re-arm; returns the phase that it leads to."""
        from pkp_supervisor.phases import Phase

        seen = self.operator
        seen.acknowledge()
        if seen.stopped_in is not Phase.WITHDRAW:  # the way out needs none
            self.registration.check()
            self.until(lambda: not self.latched or seen.safety.registration_checked, "the check")
        return seen.rearm(self.plan.plan_hash)

    # what must hold

    def begin_watch(self):
        """Before a fault: from here on reasons are collected."""
        self.told, self.epoch = len(self.audit()), self.operator.epoch
        self.heard.clear()

    def until_stopped(self, reason):
        """Latched, and for this reason (a pattern) among those that came."""
        self.until(lambda: self.latched and self.operator.epoch > self.epoch, f"a stop for {reason}")
        self.until(lambda: any(re.search(reason, r) for r in self.reasons()), f"a stop for {reason}", 5.0)
        assert not self.operator.safety.motion_permitted
        assert not self.operator.safety.flow_permitted

    def nothing_happens(self, beats=20, armed=False):
        """State, motion and volume, for so many of the arm's words: no device at work, nothing moves, nothing is lost."""
        self.until(lambda: self.truth()["out_ml_s"] == 0.0, "the flow to end", 5.0)
        self.setpoints()
        where, given = self.tip_mm(), self.truth()
        places = []
        there = self.beats + beats
        self.until(lambda: places.append(self.tip_mm()) or self.beats >= there, "the arm's state")
        now = self.truth()
        assert self.setpoints() == 0, self.report()
        assert np.linalg.norm(np.array(places) - where, axis=1).max() < STILL_MM, self.report()
        assert (now["pushed_ml"], now["delivered_ml"], now["out_ml_s"]) == (given["pushed_ml"], given["delivered_ml"], 0.0)
        assert not self.arm.is_busy, self.report()
        assert armed or self.arm.state != self.arm.ENABLED, self.report()
        assert self.injector.state != self.injector.ENABLED, self.report()
        self.no_volume_lost()

    def no_volume_lost(self):
        """What the record says was given is what truly left the cannula."""
        off = lambda: abs(self.recorded_ml - self.truth()["delivered_ml"] - self.counted_wrongly_ml)  # noqa: E731
        self.until(lambda: off() < RECORD_ML, f"the record is {off():.3f} ml off", 5.0)

    @property
    def recorded_ml(self):
        return self.operator.injector.total_volume * 1e6
