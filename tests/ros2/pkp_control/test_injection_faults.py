"""Every trouble, on simulated time: where it stops, that nothing flows after, and that the volume is on record."""

import attrs
import pytest
from pkp_control.injection_config import InjectionConfig
from pkp_control.injection_journal import JournalWriteError
from pkp_control.injection_types import CounterWentBackError, InjectionOrder, InjectionRefusedError, Phase, Stop
from pkp_control.injector_client import InjectorError, InjectorRestartedError

from benchmarks.injection import Room
from hardware_sim.injector.spec import InjectorSpec
from hardware_sim.injector.troubles import trouble
from planning_core.devices.injector_map import DeviceState, Fault


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


def injecting(room, planned=2.0, seconds=12.0):
    room.begin(planned)
    assert room.until(seconds, Phase.STOPPED) is Phase.INJECTING
    return room


def truth(room):
    return room.device.mechanism.truth


def assert_at_rest_and_stays(room, seconds=3.0):
    """Valve shut and plunger still 100 ms after the stop was known, however long the switch is held."""
    room.lockstep.wait(0.1)
    before = truth(room)
    for _ in range(round(seconds / 0.02)):
        room.once(True)
    after = truth(room)
    assert (after.pushed_ml, after.delivered_ml) == (before.pushed_ml, before.delivered_ml)


def assert_on_record(room, within=0.02, side="left"):
    given = room.cycle.state.given(side)
    assert given.low_ml - within <= truth(room).delivered_ml <= given.high_ml + within


def test_without_troubles_the_plan_is_given(room):
    room.begin(1.0)
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    assert truth(room).delivered_ml == pytest.approx(1.0, abs=0.05)
    assert room.device.state is DeviceState.DISABLED
    assert_at_rest_and_stays(room)
    assert_on_record(room)


def test_two_sides_are_told_apart(room):
    for side, planned in (("left", 0.6), ("right", 0.9)):
        room.begin(planned, side)
        assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
        assert room.cycle.state.given(side).given_ml == pytest.approx(planned, abs=0.03)
    assert truth(room).delivered_ml == pytest.approx(1.5, abs=0.05)
    with pytest.raises(InjectionRefusedError):
        room.begin(0.6, "left")


@pytest.mark.parametrize(
    ("word", "value", "reasons"),
    [
        ("e_stop", 1, {Stop.E_STOP}),
        ("blocked", 1, {Stop.BLOCKED, Stop.PRESSURE}),
        ("stuck", 1, {Stop.DEVICE_FAULT, Stop.VOLUME_MISMATCH}),
        ("volume_gain", 0, {Stop.DEVICE_FAULT, Stop.VOLUME_MISMATCH}),
        ("volume_gain", 3, {Stop.DEVICE_FAULT, Stop.VOLUME_MISMATCH}),
        ("volume_drift_ml_s", 0.3, {Stop.DEVICE_FAULT, Stop.VOLUME_MISMATCH}),
        ("gauge_kpa", 4000, {Stop.DEVICE_FAULT, Stop.PRESSURE}),
        ("gauge_kpa", 2300, {Stop.PRESSURE, Stop.BLOCKED}),
        ("leak", 1, {Stop.LEAK}),
        ("cement_age_s", 700, {Stop.PRESSURE, Stop.BLOCKED, Stop.DEVICE_FAULT}),
    ],
)
def test_a_trouble_latches_a_stop(room, word, value, reasons):
    injecting(room)
    at = truth(room).delivered_ml
    trouble(room.device, word, value)
    assert room.until(25, Phase.STOPPED) is Phase.STOPPED
    assert room.cycle.state.stop in reasons
    assert room.device.state in (DeviceState.DISABLED, DeviceState.FAULT)
    assert_at_rest_and_stays(room)
    assert truth(room).delivered_ml - at < 0.4
    assert_on_record(room)


def test_a_leak_is_seen_within_two_seconds(room):
    injecting(room)
    before = room.lockstep.now_s
    trouble(room.device, "leak", 1)
    assert room.until(10, Phase.STOPPED) is Phase.STOPPED
    assert room.cycle.state.stop is Stop.LEAK
    assert room.lockstep.now_s - before < 2.0


def test_a_stop_counts_even_where_the_device_would_go_on(tmp_path):
    """The controller sees a runaway counter by itself, with the device's own checks out of the way."""
    room = Room(tmp_path, spec=InjectorSpec(stall_ml=10.0))
    injecting(room)
    trouble(room.device, "volume_gain", 0)
    assert room.until(10, Phase.STOPPED) is Phase.STOPPED
    assert room.cycle.state.stop is Stop.VOLUME_MISMATCH
    assert room.device.state is DeviceState.DISABLED
    assert_on_record(room)


def test_a_cut_line_stops_both_ends_and_coming_back_starts_nothing(room):
    injecting(room)
    room.lockstep.cut = True
    cut_at, at = room.lockstep.now_s, truth(room).delivered_ml
    assert room.until(2, Phase.STOPPED) is Phase.STOPPED
    assert room.cycle.state.stop is Stop.LINE
    room.lockstep.wait(0.3)
    assert room.device.faults == Fault.LINE_QUIET
    assert truth(room).out_ml_s == 0
    assert truth(room).delivered_ml - at < 0.06 * 0.3
    assert room.lockstep.now_s - cut_at < 1
    room.lockstep.cut = False
    assert_at_rest_and_stays(room)
    assert_on_record(room)


def test_a_single_lost_answer_does_not_stop_it(room):
    injecting(room)
    room.lockstep.cut = True
    room.once()
    room.lockstep.cut = False
    assert room.until(2, Phase.STOPPED) is Phase.INJECTING


def test_after_a_stop_only_acknowledging_arming_and_a_fresh_press_go_on_and_the_rest_is_given(room):
    injecting(room)
    room.once(True, Stop.ORDERED)
    assert_at_rest_and_stays(room)
    with pytest.raises(InjectionRefusedError):
        room.cycle.arm(InjectionOrder("left", 2.0, "plan"), room.cement)
    with pytest.raises(InjectionRefusedError):
        room.cycle.acknowledge("  ")
    room.cycle.acknowledge("Dr. Grey")
    assert_at_rest_and_stays(room)
    room.cycle.arm(InjectionOrder("left", 2.0, "plan"), room.cement)
    assert_at_rest_and_stays(room)  # switch still held from before: no fresh press
    room.once(False)
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    assert truth(room).delivered_ml == pytest.approx(2.0, abs=0.05)
    assert room.cycle.state.given("left").given_ml == pytest.approx(2.0, abs=0.05)


def test_releasing_the_switch_pauses_and_a_long_pause_is_a_stop(room):
    injecting(room)
    room.once(False)
    room.lockstep.wait(0.1)
    before = truth(room).delivered_ml
    for _ in range(100):
        assert room.once(False) is Phase.HELD
    assert truth(room).delivered_ml == before
    assert room.once(True) is Phase.INJECTING
    for _ in range(1600):
        room.once(False)
    assert room.cycle.state.stop is Stop.HELD_TOO_LONG
    assert_at_rest_and_stays(room)


def test_a_power_cut_of_everything_mid_way_loses_no_volume(room):
    injecting(room)
    before = truth(room)
    room.start()
    assert room.cycle.state.phase is Phase.STOPPED
    assert room.cycle.state.stop is Stop.RESTARTED
    room.once()
    assert room.cycle.state.given("left").given_ml == pytest.approx(before.delivered_ml, abs=0.02)
    room.cycle.acknowledge("Dr. Grey")
    room.begin(2.0)
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    assert truth(room).delivered_ml == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("controller_too", [True, False])
def test_a_device_that_forgot_its_counter_gives_nothing_until_somebody_has_looked(room, controller_too):
    """The left side is done; the device comes back with its number and an empty memory: what it counts belongs to no record."""
    room.begin(1.0)
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    left = room.cycle.state.given("left")
    (room.folder / "memory").unlink()
    controller = room.cycle
    room.start()
    if not controller_too:
        controller._client._line._lockstep, room.cycle, room.offset = room.lockstep, controller, 0.0
    for _ in range(3):
        assert room.once() is Phase.DONE
    with pytest.raises(CounterWentBackError) as caught:
        room.begin(1.0, "right")
    assert caught.value.counter_ml < 0.01 < 0.9 < caught.value.recorded_ml
    assert (room.cycle.state.phase, room.cycle.state.stop) == (Phase.STOPPED, Stop.COUNTER)
    assert room.device.state is DeviceState.DISABLED
    assert_at_rest_and_stays(room)
    room.cycle.acknowledge("Dr. Grey")
    room.control()  # what was acknowledged is on record
    with pytest.raises(InjectionRefusedError, match="has had"):
        room.begin(1.0)
    room.begin(1.0, "right")
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    assert truth(room).delivered_ml == pytest.approx(1.0, abs=0.05)
    assert_on_record(room, side="right")
    assert room.cycle.state.given("left") == left


def test_a_counter_that_is_lost_with_the_power_mid_way_takes_nothing_off_the_record(room):
    injecting(room)
    given = truth(room).delivered_ml
    (room.folder / "memory").unlink()
    room.start()
    room.once()
    room.cycle.acknowledge("Dr. Grey")  # of the restart
    with pytest.raises(CounterWentBackError):
        room.begin(2.0)
    room.cycle.acknowledge("Dr. Grey")  # of the counter
    room.begin(2.0)
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    assert given + truth(room).delivered_ml == pytest.approx(2.0, abs=0.05)
    assert room.cycle.state.given("left").given_ml == pytest.approx(2.0, abs=0.05)


def test_a_counter_that_creeps_back_while_nothing_is_armed_is_refused(room):
    room.begin(0.6)
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    trouble(room.device, "volume_drift_ml_s", -0.3)
    for _ in range(100):
        room.once()
    trouble(room.device, "volume_drift_ml_s", 0.0)
    assert truth(room).out_ml_s == 0
    with pytest.raises(CounterWentBackError):
        room.begin(0.6, "right")


def test_a_counter_that_runs_back_in_mid_flow_stops_it(room):
    injecting(room)
    trouble(room.device, "volume_drift_ml_s", -0.3)
    assert room.until(2, Phase.STOPPED) is Phase.STOPPED
    assert room.cycle.state.stop in {Stop.DEVICE_FAULT, Stop.VOLUME_MISMATCH}
    assert_on_record(room)


def test_a_device_restarted_under_a_running_controller_is_named(room):
    injecting(room)
    old_cycle = room.cycle
    room.start()
    old_cycle._client._line._lockstep = room.lockstep
    room.cycle = old_cycle
    room.offset = 0.0
    phase = old_cycle.cycle(True).phase
    assert phase is Phase.STOPPED
    assert old_cycle.state.stop in (Stop.RESTARTED, Stop.DEVICE_LEFT)


def test_the_controller_restarted_mid_way_stops_the_device_and_knows_where_it_was(room):
    injecting(room)
    room.control()
    assert room.cycle.state.phase is Phase.STOPPED
    assert room.cycle.state.stop is Stop.RESTARTED
    room.once(True)
    assert room.device.state is DeviceState.DISABLED
    assert_at_rest_and_stays(room)
    assert room.cycle.state.given("left").given_ml == pytest.approx(truth(room).delivered_ml, abs=0.02)
    room.cycle.acknowledge("Dr. Grey")
    room.begin(2.0)
    assert room.until(60, Phase.DONE, Phase.STOPPED) is Phase.DONE
    assert truth(room).delivered_ml == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("mixed_ago", "said"), [(100, "aged"), (590, "left"), (700, "left")])
def test_cement_too_young_or_too_old_is_not_armed(tmp_path, mixed_ago, said):
    room = Room(tmp_path, spec=InjectorSpec(mixed_ago_s=mixed_ago))
    with pytest.raises(InjectionRefusedError, match=said):
        room.begin(1.0)
    assert room.device.state is DeviceState.DISABLED


def test_working_time_that_ends_during_the_injection_stops_it(tmp_path):
    room = Room(tmp_path, spec=InjectorSpec(mixed_ago_s=550, cement_class="low"))
    room.cement = attrs.evolve(room.cement, config=room.cement.config.model_copy(update={"closes_s": 571.0}))
    room.begin(1.0)
    room.once()
    assert room.until(40, Phase.STOPPED, Phase.DONE) is Phase.STOPPED
    assert room.cycle.state.stop is Stop.CEMENT_OLD
    assert_at_rest_and_stays(room)


def test_a_stop_in_any_phase_is_obeyed_within_one_cycle(tmp_path):
    for n, seconds in enumerate((0.0, 0.1, 5.0, 19.0)):
        folder = tmp_path / str(n)
        folder.mkdir()
        room = Room(folder, config=InjectionConfig(settled_share=0.01))
        room.begin(0.8)
        room.until(seconds, Phase.STOPPED)
        known = room.lockstep.now_s
        assert room.cycle.cycle(True, Stop.E_STOP).phase is Phase.STOPPED
        while truth(room).out_ml_s > 0 or truth(room).plunger_ml_s > 0:
            room.lockstep.wait(0.001)
        assert room.lockstep.now_s - known < 0.1


def test_what_cannot_be_recorded_is_not_given(room):
    injecting(room)
    (room.folder / "journal").unlink()
    (room.folder / "journal").mkdir()
    assert room.until(5, Phase.STOPPED) is Phase.STOPPED
    assert room.cycle.state.stop is Stop.RECORD
    assert_at_rest_and_stays(room)
    room.cycle.acknowledge("Dr. Grey")
    with pytest.raises(JournalWriteError):
        room.begin(2.0)
    assert room.device.state is DeviceState.DISABLED
    assert room.cycle.state.phase is Phase.DISARMED


def test_restart_errors_carry_what_was_and_is(room):
    client = room.cycle._client
    client.read()
    room.device._boots += 1
    with pytest.raises(InjectorRestartedError) as caught:
        client.read()
    assert caught.value.boots_now == caught.value.boots_before + 1
    assert isinstance(caught.value, InjectorError)
    client.read()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_what_the_gauge_misjudges_does_not_add_up_over_many_stops(tmp_path, seed):
    """Storage is reckoned from a calibration that is off by a tenth: what a high pressure hides a low one shows again."""
    room = Room(tmp_path, seed)
    for _ in range(6):
        injecting(room, 3.0, 4.0)
        trouble(room.device, "blocked", 1)
        assert room.until(25, Phase.STOPPED) is Phase.STOPPED
        trouble(room.device, "blocked", 0)
        room.cycle.acknowledge("Dr. Grey")
    assert room.cycle.state.given("left").given_ml == pytest.approx(truth(room).delivered_ml, abs=0.03)
