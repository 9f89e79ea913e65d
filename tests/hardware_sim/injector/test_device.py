"""The firmware alone, cycle by cycle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_sim.injector.device import CYCLE_S, InjectorDevice, RefusedError
from hardware_sim.injector.memory import Memory
from hardware_sim.injector.slave import RtuSlave, crc16
from hardware_sim.injector.spec import InjectorSpec
from hardware_sim.injector.troubles import trouble
from planning_core.devices.injector_map import (
    BY_NAME,
    COMMAND_BLOCK,
    CONTROL_BLOCK,
    INPUT_WORDS,
    LIMIT_BLOCK,
    DeviceState,
    Fault,
    StateCommand,
    Table,
    pack,
    unpack,
)


class Master:
    """Says the right things, straight into the registers."""

    def __init__(self, memory=None, seed=1, **spec):
        self.device = InjectorDevice(InjectorSpec(**spec), seed, Memory(memory))
        self.beat = 0

    def read(self):
        return unpack(Table.INPUT, 0, self.device.read(Table.INPUT, 0, INPUT_WORDS))

    def write(self, names, *values):
        self.device.write(*pack(names, values))

    def limits(self, volume=2.0, pressure=3000, flow=0.1, watchdog=0.2):
        self.write(LIMIT_BLOCK, volume, pressure, flow, watchdog)

    def enable(self):
        self.write(COMMAND_BLOCK, StateCommand.ENABLE, self.read()["stop_count"])

    def command(self, command, key=0):
        self.write(COMMAND_BLOCK, command, key)

    def run(self, flow=0.05, seconds=1.0, run=1):
        for _ in range(round(seconds / CYCLE_S)):
            self.beat = (self.beat + 1) & 0xFFFF
            if self.device.state is DeviceState.ENABLED:
                self.write(CONTROL_BLOCK, self.beat, run, flow)
            self.device.tick()

    def rest(self, seconds=1.0):
        for _ in range(round(seconds / CYCLE_S)):
            self.device.tick()

    @property
    def truth(self):
        return self.device.mechanism.truth


def running(**spec):
    master = Master(**spec)
    master.limits()
    master.enable()
    master.run(seconds=2.0)
    return master


def test_it_starts_disabled_and_at_rest():
    master = Master()
    master.rest()
    assert master.read()["state"] == DeviceState.DISABLED
    assert master.truth.pushed_ml == 0


def test_enabled_and_told_to_run_it_pushes_what_it_counts():
    master = running()
    assert master.read()["displaced"] == pytest.approx(0.1, rel=0.05)
    assert master.truth.pushed_ml == pytest.approx(master.read()["displaced"], rel=0.02)
    assert 0 < master.truth.delivered_ml < master.truth.pushed_ml


def test_most_of_the_pressure_is_lost_in_the_cannula():
    master = running()
    assert master.truth.intravertebral_kpa < 0.1 * master.truth.pressure_kpa


@pytest.mark.parametrize(
    ("word", "value", "fault"),
    [
        ("e_stop", 1, Fault.E_STOP),
        ("blocked", 1, Fault.PRESSURE_LIMIT),
        ("gauge_kpa", 4000, Fault.PRESSURE_LIMIT),
        ("stuck", 1, Fault.STALLED),
        ("volume_gain", 0, Fault.STALLED),
        ("volume_drift_ml_s", 0.3, Fault.FLOW_LIMIT),
    ],
)
def test_a_trouble_stops_it_and_nothing_flows_after(word, value, fault):
    master = running()
    trouble(master.device, word, value)
    master.run(seconds=4.0)
    assert master.read()["state"] == DeviceState.FAULT
    assert fault in Fault(int(master.read()["faults"]))
    before = master.truth
    trouble(master.device, word, 1 if word == "volume_gain" else 0)
    master.run(seconds=1.0)
    assert (master.truth.pushed_ml, master.truth.delivered_ml) == (before.pushed_ml, before.delivered_ml)


def test_a_quiet_line_stops_it_within_its_watchdog():
    master = running()
    pushed = master.truth.pushed_ml
    master.rest(0.25)
    assert Fault(int(master.read()["faults"])) == Fault.LINE_QUIET
    assert master.truth.pushed_ml - pushed < 0.05 * 0.225
    assert master.truth.out_ml_s == 0


def test_a_repeated_heartbeat_feeds_nothing():
    master = running()
    for _ in range(50):
        if master.device.state is DeviceState.ENABLED:
            master.write(CONTROL_BLOCK, master.beat, 1, 0.05)
        master.device.tick()
    assert Fault(int(master.read()["faults"])) == Fault.LINE_QUIET


def test_the_volume_limit_holds_to_a_microlitre():
    master = Master()
    master.limits(volume=0.05)
    master.enable()
    master.run(seconds=3.0)
    assert Fault(int(master.read()["faults"])) == Fault.VOLUME_LIMIT
    assert master.read()["displaced"] == pytest.approx(0.05, abs=1e-3)


def test_the_cartridge_ends():
    master = Master(cartridge_ml=0.05)
    master.limits()
    master.enable()
    master.run(seconds=3.0)
    assert Fault.EMPTY in Fault(int(master.read()["faults"]))


def test_an_emergency_stop_ends_flow_within_25_milliseconds():
    master = running()
    master.device.e_stop = True
    master.run(seconds=CYCLE_S)
    master.rest(0.025)
    assert master.truth.out_ml_s == 0
    assert master.truth.plunger_ml_s == 0
    assert not master.truth.valve_open


def test_an_enable_recorded_before_a_stop_is_worth_nothing_after_it():
    master = Master()
    master.limits()
    recorded = pack(COMMAND_BLOCK, (StateCommand.ENABLE, master.read()["stop_count"]))
    master.device.write(*recorded)
    master.command(StateCommand.DISABLE)
    with pytest.raises(RefusedError) as caught:
        master.device.write(*recorded)
    assert caught.value.exception == 4


def test_limits_cannot_be_widened_while_enabled():
    master = running()
    with pytest.raises(RefusedError) as caught:
        master.limits(volume=10)
    assert caught.value.exception == 4


def test_a_fault_is_left_only_by_acknowledging_it_with_its_cause_gone():
    master = running()
    master.device.e_stop = True
    master.run(seconds=0.1)
    for command in (StateCommand.ACKNOWLEDGE, StateCommand.DISABLE, StateCommand.ENABLE):
        with pytest.raises(RefusedError):
            master.command(command, master.read()["stop_count"])
    master.device.e_stop = False
    master.command(StateCommand.ACKNOWLEDGE)
    assert master.read()["state"] == DeviceState.DISABLED
    assert master.read()["faults"] == 0


def test_paused_it_keeps_still_and_needs_the_key_again():
    master = running()
    key = master.read()["stop_count"]
    master.command(StateCommand.PAUSE)
    master.rest(0.1)
    before = master.truth.delivered_ml
    master.rest(1)
    assert master.truth.delivered_ml == before
    with pytest.raises(RefusedError):
        master.command(StateCommand.ENABLE, key)
    master.enable()
    master.run(seconds=1)
    assert master.truth.delivered_ml > before


def test_half_a_two_word_value_is_refused():
    with pytest.raises(RefusedError) as caught:
        Master().device.write(BY_NAME["volume_limit"].address, [0])
    assert caught.value.exception == 2


def test_no_volume_is_lost_over_a_power_cut(tmp_path):
    master = Master(memory=tmp_path / "nv")
    master.limits()
    master.enable()
    master.run(seconds=3.0)
    before, truth = master.read(), master.truth
    again = Master(memory=tmp_path / "nv")  # nothing was closed or said goodbye to
    after = again.read()
    assert after["displaced"] == pytest.approx(before["displaced"], abs=1e-3)
    assert after["boot_count"] == before["boot_count"] + 1
    assert after["stop_count"] != before["stop_count"]
    assert after["state"] == DeviceState.DISABLED
    assert again.truth.delivered_ml == truth.delivered_ml


def test_a_spoilt_memory_is_a_fault_no_one_can_wave_away(tmp_path):
    path = tmp_path / "nv"
    path.write_bytes(b"\xff" * 100)
    master = Master(memory=path)
    assert Fault(int(master.read()["faults"])) == Fault.MEMORY
    with pytest.raises(RefusedError):
        master.command(StateCommand.ACKNOWLEDGE)
    master.rest(0.1)
    assert path.read_bytes() == b"\xff" * 100


def test_the_same_seed_gives_the_same_course():
    assert running(seed=5).truth == running(seed=5).truth
    assert running(seed=5).truth != running(seed=6).truth


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.binary(min_size=4, max_size=20).map(lambda b: b + crc16(b))), max_size=20))
def test_no_bytes_make_the_slave_stumble_or_move(chunks):
    master = Master()
    slave, now = RtuSlave(master.device), 0.0
    for chunk in chunks:
        now += 0.003
        reply = slave.receive(chunk, now)
        now += 0.01
        reply += slave.pause(now)
        assert len(reply) < 600
        master.device.tick()
    assert master.truth.pushed_ml == 0
