"""A simulated room for tests of faults: the nodes and devices that move, inject, watch and record, and what is true of them.

The room is that of ``./pkp up --sim`` but for planning, C-arm and registration, whose place the test takes: those nodes would use
most of a small machine's time here, and what they do under faults is tested with them.
"""

import json
import re
import shutil
import signal
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

SEED, SPEED = 3, 5.0
FIELD_MM = (0.0, 0.0, 0.0)
PLAYED = ("ct_ingest", "planner", "registration", "carm_sim")
STILL_MM, AT_REST_S = 0.02, 2.0
RECORD_ML = 0.05
"""What the record may be off (the requirement)."""
MOST = 4000


class OperatingRoom:
    """See the module. ``folder``: of the run; ``environment``: of the children."""

    def __init__(self, environment, folder):
        import rclpy
        from pkp_bringup.nodes import SimulatedRoom, bring_up
        from pkp_bringup.room import Room
        from pkp_lifecycle import names
        from pkp_lifecycle.polled import Polled, unspun
        from pkp_msgs import msg
        from pkp_simulation.operator import Operator
        from std_msgs.msg import Float64MultiArray

        from hardware_sim.room import RoomSpec
        from tests.system.stepped_clock import SteppedClock

        spec, place = RoomSpec(seed=SEED, field_lps_mm=FIELD_MM), Path(tempfile.mkdtemp(prefix="pkp-"))  # short: it holds sockets
        spec.write(place)
        self.sim = SimulatedRoom(place, SEED, spec.epoch_s, spec.camera, 0, SPEED)
        self.clock = SteppedClock(place)
        self.node = node = rclpy.create_node("test_of_faults")
        node.get_clock = lambda: self.clock
        self.folder, self.environment = folder, {**environment, **self.clock.environment, "OPENPKP_SIM": str(place)}
        self.specs = {s.name: s for s in bring_up("sim", folder, self.sim) if s.name not in PLAYED}
        self.room = Room(tuple(self.specs.values()), folder, node, self.environment, lambda words: None)
        self.names, self.msg = names, msg
        self.operator = Operator(node, self.spin)
        self.arm = self.injector = self.goal = self.pushing = None
        self.beats, self.heard, self.told, self.epoch, self.counted_wrongly_ml = 0, [], 0, 0, 0.0
        node.create_subscription(msg.OperatingState, names.ARM_STATE, self._on_arm, 10)
        node.create_subscription(msg.OperatingState, names.INJECTOR_STATE, lambda m: setattr(self, "injector", m), 10)
        node.create_subscription(msg.SafetyState, names.SAFETY, lambda m: m.reason and self.heard.append(m.reason), 10)
        self._loop = unspun("setpoints")
        self._commands = Polled(self._loop, Float64MultiArray, names.JOINT_COMMANDS, MOST)
        self._callers = []

    # the room's life

    def up(self):
        """Start every process, and open the sockets at which faults are made."""
        from pkp_simulation.hands import LineCaller

        from hardware_sim.room import Room as Truth
        from hardware_sim.room.control import RoomOperator
        from hardware_sim.tracker.channels import FaultChannel

        self.room.start()
        self._truth = Truth(self.sim.folder)
        self.tracker, self.people = FaultChannel(self.sim.folder / "tracker.control"), RoomOperator(self.sim.folder)
        self.wire = LineCaller(self.sim.folder / "injector.control")
        self._callers = [self.tracker, self.people, self.wire]

    def end(self):
        """Everything, whatever state it is in."""
        for child in self.room.children:
            if child.running:
                child.process.send_signal(signal.SIGCONT)
        self.room.end()
        for caller in self._callers:
            caller.close()
        self._commands.destroy()
        self._loop.destroy_node()
        self.operator.close()
        self.node.destroy_node()
        shutil.rmtree(self.sim.folder, ignore_errors=True)

    def child(self, name):
        return next(child for child in reversed(self.room.children) if child.spec.name == name)

    def process(self, name):
        return self.child(name).process

    def ended(self):
        """Names of those that run no more."""
        return [name for name in self.specs if not self.child(name).running]

    def kill(self, name):
        """As a crash does."""
        self.process(name).kill()
        self.process(name).wait()

    def start(self, spec):
        """One process more, configured."""
        from pkp_bringup.lifecycle import CONFIGURE
        from pkp_bringup.processes import start

        self.room.children.append(start(spec, self.folder, self.environment))
        self.room.clients.change(spec.name, CONFIGURE, 30.0)

    def activate(self, name):
        from pkp_bringup.lifecycle import ACTIVATE

        self.room.clients.change(name, ACTIVATE)

    def restart(self, name):
        """What a person does whose node ended."""
        self.start(self.specs[name])
        self.activate(name)

    def suspend(self, name, on=True):
        """Cut a node off from everybody, both ways; all that was sent meanwhile arrives when it is back."""
        self.process(name).send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    # time

    def spin(self, seconds, until=lambda: False):
        return self.room.clients.spin(seconds, until)

    def until(self, condition, what, deadline_s=30.0):
        assert self.spin(deadline_s, condition), f"{what}: not within {deadline_s:g} s; {self.report()}"

    def beat(self, count):
        """Until the arm has said so often (20 a second) how it is."""
        there = self.beats + count
        self.until(lambda: self.beats >= there, "the arm's state")

    def _on_arm(self, state):
        if state.device == "arm":
            self.beats, self.arm = self.beats + 1, state

    # what is true, and what is known

    def tip_mm(self):
        """Where the guide's tip truly is, (3,) world."""
        self._truth.hear()
        return self._truth.arm(self._truth.spec.now_s())[1].translation_mm

    def truth(self):
        """Of the injector: delivered_ml, pushed_ml, out_ml_s and more."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(5.0)
            caller.connect(str(self.sim.folder / "injector.truth"))
            caller.sendall(b"{}\n")
            return json.loads(caller.makefile("rb").readline())

    def setpoints(self):
        """How many went to the arm since this was asked last."""
        return sum(1 for _ in self._commands.take(MOST))

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
        seen = self.operator
        facts = {
            "phase": seen.phase and self.phase.name,
            "stop": seen.safety and (seen.safety.epoch, seen.safety.reason, self.reasons()),
            "arm": self.arm and (self.arm.state, self.arm.reason),
            "injector": self.injector and (self.injector.state, self.injector.reason),
            "goal": self.goal and (self.goal.stages[-1:], self.goal.done and self.goal.code),
            "dose": self.pushing and self.pushing.done and self.pushing.code,
            "ended": self.ended(),
        }
        return json.dumps(facts, default=str)

    @contextmanager
    def latecomer(self):
        """A node that comes now and asks who is at work: one that has been there through clock steps and partitions may have
        dropped somebody from its graph whom it still hears."""
        import rclpy
        from rclpy.context import Context

        context = Context()
        rclpy.init(context=context)
        node = rclpy.create_node("latecomer", context=context)
        try:
            yield lambda name: self._at_work(node, name)
        finally:
            node.destroy_node()
            rclpy.try_shutdown(context=context)

    def _at_work(self, ask, name):
        """Topics that a process publishes and hears, and services it offers; an action's inner ones are left out."""
        found = [set(), set(), set()]
        for node in (name, f"{name}_loop"):
            for kind, names in zip(found, self._graph(ask, node), strict=True):
                kind.update(n for n in names if "/_action/" not in n)
        return found

    @staticmethod
    def _graph(ask, node):
        from rclpy.node import NodeNameNonExistentError

        try:
            return [
                [name for name, _ in entries]
                for entries in (
                    ask.get_publisher_names_and_types_by_node(node, "/"),
                    ask.get_subscriber_names_and_types_by_node(node, "/"),
                    ask.get_service_names_and_types_by_node(node, "/"),
                )
            ]
        except NodeNameNonExistentError:
            return [], [], []

    def until_no_flow(self):
        """For a second: a switch that a busy test process holds may let go for less."""
        before = None
        while (now := self.truth()["delivered_ml"]) != before:
            before = now
            self.beat(20)

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

    def nothing_happens(self, beats=20, armed=False, counted=True):
        """State, motion and volume, for so many of the arm's words: no device at work, nothing moves, nothing is lost.

        Args:
            armed: a re-arm has let go on. counted: the injector's counter can be read.
        """
        self.until(lambda: self.truth()["out_ml_s"] == 0.0, "the flow to end", AT_REST_S)
        self._settle()
        self.setpoints()
        where, given, places, there = self.tip_mm(), self.truth(), [], self.beats + beats
        self.until(lambda: places.append(self.tip_mm()) or self.beats >= there, "the arm's state")
        now = self.truth()
        assert self.setpoints() == 0, self.report()
        assert np.linalg.norm(np.array(places) - where, axis=1).max() < STILL_MM, self.report()
        assert (now["pushed_ml"], now["delivered_ml"], now["out_ml_s"]) == (given["pushed_ml"], given["delivered_ml"], 0.0)
        assert not self.arm.is_busy, self.report()
        assert armed or self.arm.state != self.arm.ENABLED, self.report()
        assert self.injector.state != self.injector.ENABLED, self.report()
        if counted:
            self.no_volume_lost()

    def _settle(self):
        """Until the arm stands: its servo comes to its last setpoint after that was sent, a lagging one later."""
        last = [self.tip_mm() + 1.0]

        def stands():
            moved, last[0] = np.linalg.norm(self.tip_mm() - last[0]), self.tip_mm()
            self.beat(2)
            return moved < STILL_MM / 10

        self.until(stands, "the arm to stand", AT_REST_S)

    def no_volume_lost(self):
        """What the record says was given is what truly left the cannula."""
        off = lambda: abs(self.recorded_ml - self.truth()["delivered_ml"] - self.counted_wrongly_ml)  # noqa: E731
        self.until(lambda: off() < RECORD_ML, f"the record is {off():.3f} ml off", 5.0)

    @property
    def recorded_ml(self):
        return self.operator.injector.total_volume * 1e6
