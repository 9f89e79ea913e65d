"""The column model: what it expects of bodies it knows, and of bodies that lost height."""

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape.model import ColumnMap, Footprint, learn, load_model

L1 = VertebraLevel.L1
FOOTPRINT = Footprint(0.0, 21.0, 14.0, 30.0)


def typical(level, footprint=FOOTPRINT):
    model = load_model()
    heights = footprint.girth_mm * (model.mean + (level.ordinal - 12) * model.slope)
    return ColumnMap(footprint, heights.reshape(9, 9))


def test_a_typical_body_is_expected_to_be_as_it_is():
    found, _ = load_model().expect(L1, typical(L1))
    np.testing.assert_allclose(found.height_mm, typical(L1).height_mm)


@given(st.floats(0.1, 0.5))
def test_height_lost_in_front_is_expected_back(loss):
    whole = typical(L1)
    share = np.clip(np.linspace(-1 / 8, 1, 9), 0, 1)[:, None]
    found, _ = load_model().expect(L1, attrs.evolve(whole, height_mm=whole.height_mm * (1 - loss * share)))
    np.testing.assert_allclose(found.height_mm, whole.height_mm, rtol=1e-6)


def test_nothing_is_expected_below_what_stands():
    tall = attrs.evolve(typical(L1), height_mm=typical(L1).height_mm * 1.1)
    found, _ = load_model().expect(L1, tall)
    assert (found.height_mm >= tall.height_mm).all()


def test_columns_far_from_the_wall_are_less_sure():
    _, covariance = load_model().expect(L1, typical(L1))
    sigma = np.sqrt(np.diag(covariance)).reshape(9, 9)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    assert sigma[6:, 2:7].mean() > sigma[0, 2:7].mean()


@pytest.mark.parametrize("level", ["T5", "T9", "L1", "L4"])
def test_typical_heights_are_those_of_people(level):
    middle = typical(VertebraLevel(level)).height_mm[3:6, 3:6].mean()
    assert 17 < middle < 34


def test_a_line_over_the_levels_is_learned():
    levels = [VertebraLevel(v) for v in ("T8", "T10", "T12", "L2", "L4")]
    bodies = [(v, ColumnMap(FOOTPRINT, np.full((9, 9), 10 + v.ordinal))) for v in levels]
    model = learn(bodies)
    np.testing.assert_allclose(FOOTPRINT.girth_mm * model.slope, 1.0)
    np.testing.assert_allclose(FOOTPRINT.girth_mm * model.mean, 22.0)
