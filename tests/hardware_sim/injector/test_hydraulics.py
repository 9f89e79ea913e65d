import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_sim.injector.hydraulics import AMBIENT_KPA, Barrel, Path, advance, cannula_resistance

barrels = st.builds(Barrel, st.floats(1e-6, 5e-4), st.floats(0, 0.5))
paths = st.builds(Path, st.floats(10, 1e6), st.floats(0, 50), st.floats(0.2, 1))


def test_a_newtonian_fluid_follows_hagen_poiseuille():
    length, bore, eta = 150e-3, 2.4e-3, 100.0
    by_hand = 8 * eta * length * 1e-6 / (math.pi * (bore / 2) ** 4) / 1000
    assert cannula_resistance(150, 2.4, eta, 1.0) == pytest.approx(by_hand)


def test_shear_thinning_flattens_the_rise_with_flow():
    path = Path(1000, 0, 0.4)
    assert path.flow(2000) / path.flow(1000) == pytest.approx(2**2.5)


@given(barrels, paths, st.floats(0, 5000), st.floats(0, 0.01), st.floats(1e-3, 0.05))
def test_what_goes_in_is_stored_or_leaves(barrel, path, pressure, pushed, dt):
    after, left = advance(pressure, pushed, barrel, path, dt)
    assert after >= 0
    assert left >= 0
    assert barrel.stored_ml(after) + left == pytest.approx(barrel.stored_ml(pressure) + pushed, abs=1e-9)
    assert left == pytest.approx(dt * path.flow(after), abs=1e-8)


@given(barrels, st.floats(0, 3000), st.floats(0, 0.01))
def test_nothing_leaves_a_shut_path(barrel, pressure, pushed):
    after, left = advance(pressure, pushed, barrel, Path(math.inf, 4, 0.4), 0.005)
    assert left == pytest.approx(0, abs=1e-9)
    assert after >= pressure - 1e-3


def test_air_is_squeezed_by_boyles_law():
    assert Barrel(0, 1.0).stored_ml(AMBIENT_KPA) == pytest.approx(0.5)


def test_pressure_dies_away_after_the_plunger_stops_and_the_after_flow_is_what_was_stored():
    barrel, path = Barrel(5e-5, 0.01), Path(3000, 4, 0.4)
    pressure, out = 1500.0, 0.0
    for _ in range(20000):
        pressure, left = advance(pressure, 0.0, barrel, path, 0.005)
        out += left
    assert pressure < 150
    assert out == pytest.approx(barrel.stored_ml(1500) - barrel.stored_ml(pressure), abs=1e-6)
