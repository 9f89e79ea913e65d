"""Points that move with a mesh's vertices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.xray.atlas.interpolation import SpaceMap

CENTRES = np.random.default_rng(3).uniform(-30, 30, (60, 3))
SPACE = SpaceMap.of(CENTRES)
PLACES = np.random.default_rng(4).uniform(-40, 40, (25, 3))
numbers = st.lists(st.floats(-3, 3), min_size=12, max_size=12)


@settings(deadline=None)
@given(numbers)
def test_affine_maps_are_carried_exactly(values):
    matrix, shift = np.array(values[:9]).reshape(3, 3), np.array(values[9:])
    assert SPACE.carried(CENTRES @ matrix.T + shift, PLACES) == pytest.approx(PLACES @ matrix.T + shift, abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_values_are_kept_at_the_vertices_and_add_up(seed):
    one, other = np.random.default_rng(seed).normal(size=(2, 60, 2))
    assert SPACE.carried(one, CENTRES) == pytest.approx(one, abs=1e-4)
    together = SPACE.carried(one + other, PLACES)
    assert together == pytest.approx(SPACE.carried(one, PLACES) + SPACE.carried(other, PLACES), abs=1e-8)
