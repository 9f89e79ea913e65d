"""The law: no sequence of inputs moves the plunger after a stop without acknowledgement, arming and a fresh press."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pkp_control.injection_types import InjectionOrder, InjectionRefusedError, Phase, Stop
from pkp_control.injector_client import InjectorError

from benchmarks.injection import Room
from hardware_sim.injector.slave import crc16
from hardware_sim.injector.troubles import trouble
from planning_core.devices.injector_map import DeviceState


class AfterAStop(RuleBasedStateMachine):
    @initialize()
    def enter(self):
        self.folder = Path(tempfile.mkdtemp())
        self.room = Room(self.folder)
        self.pressed = False
        self.recorded = []
        self.since = None  # plunger's place when a stop had had its 100 ms, None while none has been
        self.acknowledged = True
        self.record()

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def record(self):
        slave = self.room.lockstep._slave
        answer = slave.answer

        def heard(telegram):
            if telegram[1] != 4:
                self.recorded.append(telegram)
            return answer(telegram)

        slave.answer = heard

    @property
    def pushed(self):
        return self.room.device.mechanism.truth.pushed_ml

    def notice(self):
        """A stop that anyone knows of: 100 ms later the plunger's place is fixed."""
        stopped = self.room.cycle.state.phase is Phase.STOPPED or self.room.device.state in (
            DeviceState.PAUSED,
            DeviceState.FAULT,
        )
        if stopped and self.since is None:
            self.room.lockstep.wait(0.3 if self.room.lockstep.cut else 0.1)  # cut off, the device stops by its watchdog
            self.since = self.pushed
            self.acknowledged = False

    @rule(cycles=st.integers(1, 25))
    def time_passes(self, cycles):
        for _ in range(cycles):
            self.room.once(self.pressed)
            self.notice()

    @rule(down=st.booleans())
    def switch(self, down):
        self.pressed = down

    @rule(reason=st.sampled_from([Stop.ORDERED, Stop.E_STOP]))
    def stop(self, reason):
        self.room.once(self.pressed, reason)
        self.notice()

    @rule(down=st.booleans())
    def e_stop_contact(self, down):
        self.room.device.e_stop = down

    @rule(
        word=st.sampled_from(["blocked", "stuck", "leak", "gauge_kpa", "volume_drift_ml_s"]),
        value=st.sampled_from([0.0, 0.0, 1.0, 4000.0]),
    )
    def something_breaks_or_is_mended(self, word, value):
        trouble(self.room.device, word, value)

    @rule(cut=st.booleans())
    def line(self, cut):
        self.room.lockstep.cut = cut

    @rule(data=st.data())
    def an_old_telegram_comes_again(self, data):
        if self.recorded:
            self.room.lockstep._slave.answer(data.draw(st.sampled_from(self.recorded)))
            self.notice()

    @rule(body=st.binary(min_size=2, max_size=12))
    def a_telegram_nobody_sent(self, body):
        self.room.lockstep._slave.answer(body + crc16(body))
        self.notice()

    @rule()
    def the_controller_restarts(self):
        self.room.control()
        self.notice()

    @rule()
    def acknowledge(self):
        with contextlib.suppress(InjectionRefusedError, InjectorError):
            self.room.cycle.acknowledge("Dr. Grey")
            self.acknowledged = True

    @rule(side=st.sampled_from(["left", "right"]), planned=st.floats(0.3, 3))
    def arm(self, side, planned):
        with contextlib.suppress(InjectionRefusedError, InjectorError):
            was = self.room.cycle.state.phase
            self.room.cycle.arm(InjectionOrder(side, planned, "plan"), self.room.cement)
            assert was is not Phase.STOPPED
            self.since = None
            if not self.pressed:  # an operator's double click: armed and pressed at once
                self.room.once(False)

    @rule()
    def begin_as_one_should(self):
        for word in ("blocked", "stuck", "leak", "gauge_kpa", "volume_drift_ml_s"):
            trouble(self.room.device, word, 0)
        self.room.device.e_stop, self.room.lockstep.cut = False, False
        self.acknowledge()
        self.pressed = False
        self.arm("left", 2.0)
        self.pressed = True
        self.time_passes(10)

    @invariant()
    def the_plunger_has_not_moved(self):
        if hasattr(self, "room") and self.since is not None:
            assert self.pushed == self.since

    @invariant()
    def what_was_given_is_on_record(self):
        if hasattr(self, "room") and self.room.cycle.state.phase is Phase.STOPPED and not self.room.lockstep.cut:
            self.room.once(False)
            given = [self.room.cycle.state.given(side) for side in ("left", "right")]
            delivered = self.room.device.mechanism.truth.delivered_ml
            assert sum(g.low_ml for g in given) - 0.05 <= delivered <= sum(g.high_ml for g in given) + 0.05


AfterAStop.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestNoMotionAfterAStop = AfterAStop.TestCase
