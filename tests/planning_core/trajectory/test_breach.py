"""Probability of a breach: laws, and a tube whose answer is known."""

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rice

from planning_core.anatomy.vertebra import Side
from planning_core.trajectory.breach import breach_probability
from planning_core.trajectory.corridor import Corridor, corridors
from planning_core.trajectory.measures import Lines
from planning_core.trajectory.plan import ErrorBudget
from tests.planning_core.trajectory.tubes import Tube, axis, vertebra

TUBE = Tube(3.0)
CORRIDOR: Corridor = corridors(vertebra(TUBE, TUBE, grid_mm=0.5), ())[Side.LEFT]
NONE = ErrorBudget(0.0, 0.0, 0.0, 0.0, 0.0)


def _probability(budget: ErrorBudget, radius: float = 1.6, samples: int = 2000) -> tuple[float, float]:
    centre, way = axis(Side.LEFT, TUBE)
    centre = CORRIDOR.from_frame(centre)
    lines = Lines((centre)[None], (centre + 20 * way)[None])
    found = breach_probability(CORRIDOR, lines, centre - 17 * way, radius, True, budget, samples, seed=5)
    return found.value, found.standard_error


def test_no_error_no_breach() -> None:
    assert _probability(NONE) == (0.0, 0.0)


def test_a_cannula_wider_than_the_tube_always_breaches() -> None:
    assert _probability(NONE, radius=3.2)[0] == 1.0


def test_shift_in_a_tube_follows_the_rice_distribution() -> None:
    spread = 0.8
    expected = float(rice.sf(3.0 - 1.6, 0.0, scale=spread))
    value, error = _probability(attrs.evolve(NONE, registration_mm=spread * np.sqrt(3)), samples=20000)
    # the field's ridge is blunted by its sampling, a twentieth of a millimetre at 0.5 mm
    assert value == pytest.approx(expected, abs=4 * error + 0.03)


def test_segmentation_error_in_a_tube_follows_the_normal_distribution() -> None:
    value, error = _probability(attrs.evolve(NONE, segmentation_mm=1.0), samples=20000)
    assert value == pytest.approx(float(norm.sf(3.0 - 1.6)), abs=4 * error + 0.03)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 3), st.floats(1.0, 3.0))
def test_a_larger_error_never_lowers_the_probability(shift: float, wall: float, angle: float, factor: float) -> None:
    small = ErrorBudget(shift, 0.0, 0.0, wall, angle)
    large = ErrorBudget(shift * factor, 0.0, 0.0, wall * factor, angle * factor)
    assert _probability(large, samples=300)[0] >= _probability(small, samples=300)[0]


def test_the_standard_error_is_the_binomials() -> None:
    value, error = _probability(ErrorBudget(0.9, 0.1, 0.3, 0.5, 1.0))
    assert 0 < value < 1
    assert error == pytest.approx(np.sqrt(value * (1 - value) / 2000))
