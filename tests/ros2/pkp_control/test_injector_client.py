"""The driver against a device on simulated time and against lines that lie."""

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkp_control.injector_client import (
    InjectorClient,
    InjectorError,
    InjectorLineError,
    InjectorRefusedError,
    ReadingRangeError,
    StaleReadingError,
)
from pkp_control.injector_registers import InjectorLimits, read_input

from benchmarks.injection import LockstepLine, Room
from planning_core.devices.injector_map import BY_NAME, INPUT_WORDS, DeviceState, RegisterError


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


@pytest.fixture
def client(room):
    return InjectorClient(LockstepLine(room.lockstep), room.clock)


class FixedLine:
    """Answers every question with the same words."""

    def __init__(self, words):
        self.words = words

    def read_input(self, start, count):
        return self.words

    def write(self, start, words):
        pass

    def close(self):
        pass


def words_of(room):
    return LockstepLine(room.lockstep).read_input(0, INPUT_WORDS)


def test_a_reading_carries_values_state_and_its_stamp(room, client):
    room.lockstep.wait(0.5)
    before = room.clock()
    reading = client.read()
    assert reading.acquired_s == before
    assert reading.state is DeviceState.DISABLED
    assert reading.temperature_c == pytest.approx(22, abs=0.5)
    assert reading.device_s == pytest.approx(0.5, abs=0.02)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        reading.state = DeviceState.ENABLED


def test_given_volume_is_the_counter_less_what_is_stored(room, client):
    reading = attrs.evolve(client.read(), displaced_ml=1.0, pressure_kpa=1000.0, compliance_ml_per_kpa=5e-5)
    assert reading.given_ml == pytest.approx(0.95)
    assert attrs.evolve(reading, pressure_kpa=-20.0).given_ml == 1.0


def test_arming_sets_limits_and_enables(room, client):
    reading = client.arm(InjectorLimits(1.0, 2000, 0.08, 0.2))
    assert reading.state is DeviceState.ENABLED
    assert room.device._holding["pressure_limit"] == 2000


@pytest.mark.parametrize("field", ["displaced_ml", "pressure_kpa", "flow_ml_s", "watchdog_s"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e9])
def test_a_limit_that_is_none_is_refused_before_the_wire(room, client, field, value):
    with pytest.raises(RegisterError):
        client.arm(attrs.evolve(InjectorLimits(1.0, 2000, 0.08, 0.2), **{field: value}))
    assert room.device.state is DeviceState.DISABLED


@pytest.mark.parametrize("flow", [math.nan, -0.01, 0.3, math.inf])
def test_a_flow_that_is_none_is_refused_before_the_wire(client, flow):
    client.arm(InjectorLimits(1.0, 2000, 0.08, 0.2))
    with pytest.raises(RegisterError):
        client.drive(True, flow)


def test_running_while_disabled_is_refused_by_the_device(client):
    with pytest.raises(InjectorRefusedError) as caught:
        client.drive(True, 0.05)
    assert caught.value.exception == 4


def test_a_device_whose_cycle_stands_still_is_stale(room):
    now = [0.0]
    client = InjectorClient(FixedLine(words_of(room)), lambda: now[0])
    client.read()
    now[0] = 0.05
    client.read()
    for now[0] in (0.1, 0.5):
        with pytest.raises(StaleReadingError) as caught:
            client.read()
    assert caught.value.age_s >= 0.4


def test_a_reading_that_took_too_long_is_stale(room):
    times = iter([0.0, 0.5])
    client = InjectorClient(FixedLine(words_of(room)), lambda: next(times))
    with pytest.raises(StaleReadingError):
        client.read()


def test_a_clock_that_runs_back_makes_a_reading_stale(room):
    times = iter([5.0, 4.9])
    client = InjectorClient(FixedLine(words_of(room)), lambda: next(times))
    with pytest.raises(StaleReadingError):
        client.read()


def test_a_heartbeat_that_does_not_come_back_is_stale(room):
    client = InjectorClient(FixedLine(words_of(room)), lambda: 0.0)
    with pytest.raises(StaleReadingError):
        client.drive(False, 0.0)


@pytest.mark.parametrize(("name", "value"), [("state", 4), ("pressure", 0x9000), ("temperature", 0x7FFF), ("map_version", 2)])
def test_an_impossible_register_is_refused_by_its_name(room, name, value):
    words = words_of(room)
    words[BY_NAME[name].address] = value
    with pytest.raises(ReadingRangeError) as caught:
        InjectorClient(FixedLine(words), lambda: 0.0).read()
    assert caught.value.register == name


@given(st.lists(st.integers(-1, 70000), max_size=INPUT_WORDS + 2))
def test_whatever_a_line_says_is_a_reading_or_a_named_refusal(words):
    try:
        reading = InjectorClient(FixedLine(words), lambda: 0.0).read()
    except InjectorError as refusal:
        reading = None
        named = type(refusal)
    if reading is None:
        assert named is ReadingRangeError
    else:
        assert reading.given_ml <= reading.displaced_ml


@pytest.mark.parametrize("stamp", [math.nan, math.inf])
def test_a_reading_without_a_time_is_none(room, stamp):
    with pytest.raises(RegisterError):
        read_input(words_of(room), stamp)


def test_no_answer_is_a_line_error(room, client):
    room.lockstep.cut = True
    with pytest.raises(InjectorLineError):
        client.read()


def test_stopping_is_never_refused(room, client):
    room.device.e_stop = True
    room.lockstep.wait(0.1)
    client.stop()
    assert room.device.state is DeviceState.FAULT


def test_acknowledging_with_the_cause_still_there_is_refused(room, client):
    room.device.e_stop = True
    room.lockstep.wait(0.1)
    with pytest.raises(InjectorRefusedError):
        client.acknowledge()
    room.device.e_stop = False
    assert client.acknowledge().state is DeviceState.DISABLED
