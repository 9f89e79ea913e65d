import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.cement.curing import (
    CURING,
    CementClock,
    ClockStepError,
    CuringConfig,
    CuringInputError,
    consistency,
    curing_speed,
    viscosity,
    working_window,
)
from planning_core.cement.products import PRODUCTS

classes = st.sampled_from(list(CURING.values()))
ages = st.floats(0, 2000)
temperatures = st.floats(5, 45)


@given(classes, ages, ages, st.floats(0.01, 1e3))
def test_cement_only_ever_thickens(config, one, other, shear):
    younger, older = sorted((one, other))
    assert viscosity(younger, shear, config) <= viscosity(older, shear, config) * (1 + 1e-12)


@given(classes, ages, st.floats(0.01, 1e3), st.floats(0.01, 1e3))
def test_cement_thins_when_sheared_faster(config, age, one, other):
    slow, fast = sorted((one, other))
    assert viscosity(age, fast, config) <= viscosity(age, slow, config)


@given(classes, temperatures, temperatures)
def test_warmth_closes_the_window_sooner(config, one, other):
    cold, warm = sorted((one, other))
    assert working_window(warm, config).closes_s <= working_window(cold, config).closes_s


@pytest.mark.parametrize("name", list(CURING))
def test_the_curve_passes_through_its_configured_points(name):
    config = CURING[name]
    assert consistency(config.opens_s, config) == pytest.approx(config.opening_pa_s)
    assert consistency(config.sets_s, config) == pytest.approx(config.set_pa_s)
    assert consistency(0, config) == pytest.approx(config.initial_pa_s)


def test_curing_takes_half_as_long_at_37_as_at_25_degrees():
    config = CURING["high"]
    assert curing_speed(37, config) == pytest.approx(2 * curing_speed(25, config))


def test_thinner_classes_are_thinner_at_every_age_of_the_window():
    for age in (220, 400, 590):
        high, medium, low = (consistency(age, CURING[n]) for n in ("high", "medium", "low"))
        assert high > medium > low


def test_every_product_has_a_curing_class():
    assert {p.viscosity for p in PRODUCTS.values()} == set(CURING)
    assert all(c.source for c in CURING.values())


@given(st.lists(st.tuples(st.floats(0, 60), temperatures), max_size=8), classes)
def test_age_adds_up_over_looks_and_never_runs_back(steps, config):
    clock, now = CementClock.start(100.0, config), 100.0
    for seconds, temperature in steps:
        now += seconds
        later = clock.look(now, temperature)
        assert later.age_s >= clock.age_s
        clock = later
    assert clock.age_s == pytest.approx(sum(s * curing_speed(t, config) for s, t in steps), abs=1e-6)


def test_the_clock_tells_too_early_in_time_and_too_late():
    config = CuringConfig()
    clock = CementClock.start(0.0, config)
    assert clock.look(100, 22).too_early
    ready = clock.look(300, 22)
    assert not ready.too_early
    assert not ready.too_late
    assert ready.left_s(22) == pytest.approx(300)
    assert ready.left_s(34) == pytest.approx(150)
    assert clock.look(601, 22).too_late


@pytest.mark.parametrize("now", [99.9, -1, math.nan, math.inf])
def test_a_clock_step_is_refused_with_both_times(now):
    with pytest.raises(ClockStepError) as caught:
        CementClock.start(100.0, CuringConfig()).look(now, 22)
    assert caught.value.before_s == 100.0


@pytest.mark.parametrize(("age", "shear"), [(-1, 1), (math.nan, 1), (1, 0), (1, -1), (1, math.nan), (1, math.inf)])
def test_impossible_ages_and_shear_rates_are_refused(age, shear):
    with pytest.raises(CuringInputError):
        viscosity(age, shear, CuringConfig())


@pytest.mark.parametrize("temperature", [-1, 61, math.nan, math.inf])
def test_unknown_temperatures_are_refused(temperature):
    with pytest.raises(CuringInputError):
        working_window(temperature, CuringConfig())


def test_a_window_out_of_order_is_refused():
    with pytest.raises(ValueError, match="in that order"):
        CuringConfig(opens_s=700)
    with pytest.raises(ValueError, match="too thick"):
        CuringConfig(opens_s=10, initial_pa_s=10)
    with pytest.raises(ValueError, match="must rise"):
        CuringConfig(initial_pa_s=600)
