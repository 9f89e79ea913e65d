"""The pure parts: flow profile, leak's sign, orders, configuration, journal."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkp_control.injection import acknowledge, flow_for, halt, step, to_give
from pkp_control.injection_config import InjectionConfig
from pkp_control.injection_journal import InjectionJournal, JournalCorruptError
from pkp_control.injection_types import LEAVE, InjectionOrder, InjectionRefusedError, InjectionState, Phase, Segment, Stop
from pkp_control.leak_sign import LeakWatch

config = InjectionConfig()
volumes = st.floats(0, 10)


@given(volumes, volumes, st.floats(-200, 10000))
def test_flow_is_never_negative_nor_above_its_limit_nor_past_the_target(given_ml, left, pressure):
    flow = flow_for(given_ml, left, pressure, config)
    assert 0 <= flow <= config.flow_ml_s
    assert flow * 3 * config.cycle_s <= left + 1e-12


def test_flow_starts_slow_rises_and_tapers():
    start, middle, near, end = (flow_for(g, 2 - g, 500, config) for g in (0.0, 1.0, 1.75, 1.95))
    assert start == config.start_flow_ml_s
    assert middle == config.flow_ml_s
    assert middle > near > end > 0


@given(st.floats(0, 5000), st.floats(0, 5000))
def test_more_pressure_never_gives_more_flow(one, other):
    low, high = sorted((one, other))
    assert flow_for(1, 1, high, config) <= flow_for(1, 1, low, config)
    assert flow_for(1, 1, config.pressure_stop_kpa, config) == 0


def watch(pressures, flows):
    look = LeakWatch.start(0.0, pressures[0], config)
    for n, (pressure, flow) in enumerate(zip(pressures, flows, strict=True)):
        look = look.look(0.02 * (n + 1), pressure, flow, 5e-5, config)
        if look.shows(config):
            return n
    return None


def test_a_rising_pressure_at_steady_flow_shows_nothing():
    assert watch([500 + n * 0.5 for n in range(1000)], [0.06] * 1000) is None


def test_a_fall_at_steady_flow_is_seen_within_half_a_second():
    seen = watch([800.0] * 400 + [760.0] * 100, [0.06] * 500)
    assert 400 < seen < 430


def test_a_fall_after_flow_was_reduced_is_not_a_leak():
    assert watch([800.0] * 400 + [600.0] * 400, [0.06] * 400 + [0.03] * 400) is None


def test_a_slow_fall_of_thick_cement_after_a_reduction_is_not_a_leak():
    slow = [1500 + 900 * math.exp(-0.02 * n / 3) for n in range(1000)]
    assert watch([2400.0] * 400 + slow, [0.04] * 400 + [0.015] * 1000) is None


@given(st.one_of(st.floats(max_value=0), st.floats(min_value=8.1), st.just(math.nan)))
def test_an_order_that_is_no_dose_is_refused_with_its_number(planned):
    with pytest.raises(InjectionRefusedError):
        to_give(InjectionState(), InjectionOrder("left", planned, "plan"), config)


def test_only_a_stop_can_be_acknowledged_and_only_by_someone():
    with pytest.raises(InjectionRefusedError):
        acknowledge(InjectionState(), "Dr. Grey", 0.0)
    stopped = halt(InjectionState(), Stop.LEAK, 0.0)
    with pytest.raises(InjectionRefusedError):
        acknowledge(stopped, " ", 0.0)
    assert acknowledge(stopped, "Dr. Grey", 1.0).phase is Phase.DISARMED


def test_the_first_reason_to_stop_is_kept():
    state, command = step(halt(InjectionState(), Stop.LEAK, 0.0), 1.0, None, True, Stop.LINE, config)
    assert state.stop is Stop.LEAK
    assert command == LEAVE


@given(st.sampled_from(list(Phase)), st.sampled_from(list(Stop)), st.booleans())
def test_in_every_phase_a_stop_ends_in_rest(phase, reason, permitted):
    state, command = step(InjectionState(phase), 1.0, None, permitted, reason, config)
    assert state.phase is Phase.STOPPED
    assert not command.run
    assert command.disable


def test_bounds_hold_both_what_was_counted_and_what_was_commanded():
    segment = Segment(InjectionOrder("left", 2, "plan"), 1, 0, 0, given_ml=0.5, counted_ml=0.55, commanded_ml=0.8)
    assert segment.bounds_ml == pytest.approx((0.5, 0.75))


def state_with(given_ml, phase=Phase.INJECTING):
    segment = Segment(InjectionOrder("right", 2.0, "plan"), 900001, 4.0, 3.99, given_ml, given_ml + 0.04, given_ml + 0.04, 900.0)
    return InjectionState(phase, segment, 2.0)


def test_a_journal_brings_back_where_it_was_as_stopped(tmp_path):
    InjectionJournal(tmp_path / "j").note(state_with(0.7))
    back = InjectionJournal(tmp_path / "j").recover()
    assert back.phase is Phase.STOPPED
    assert back.stop is Stop.RESTARTED
    assert back.given("right").given_ml == 0.7
    assert back.segment == state_with(0.7).segment


def test_a_line_torn_by_a_power_cut_costs_only_itself(tmp_path):
    journal = InjectionJournal(tmp_path / "j")
    journal.note(state_with(0.7))
    journal.note(state_with(0.9))
    raw = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(raw[:-20])
    again = InjectionJournal(tmp_path / "j")
    assert again.recover().given("right").given_ml == 0.7
    again.note(state_with(1.1))
    assert InjectionJournal(tmp_path / "j").recover().given("right").given_ml == 1.1


@given(st.binary(min_size=1, max_size=60))
def test_a_spoilt_journal_is_named(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("j") / "j"
    path.write_bytes(raw.replace(b"\n", b"") + b"\n")
    with pytest.raises(JournalCorruptError) as caught:
        InjectionJournal(path).recover()
    assert caught.value.line == 1


@pytest.mark.parametrize(
    "wrong", [{"ease_kpa": 3000}, {"start_flow_ml_s": 0.1}, {"taper": ((0.1, 0.5), (0.3, 0.2))}, {"flow_ml_s": -1}, {"flo": 1}]
)
def test_a_configuration_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(ValueError, match=r"kpa|flow|taper|Extra"):
        InjectionConfig(**wrong)
