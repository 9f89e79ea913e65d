import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.vertebra import Side
from planning_core.xray.pedicle_offsets import BELIEVED_SIGMAS, CLICKED, pedicle_offsets, weighed
from planning_core.xray.rebuilt import rebuilt_vertebra
from planning_core.xray.triangulation import MetPoint
from tests.planning_core.xray.rebuilding import rebuilt

numbers = st.floats(0.3, 3.0)


@pytest.fixture(scope="module")
def given_vertebra():
    found = rebuilt()
    return found, rebuilt_vertebra(found.shape, found.level, 0.5)


def met(point, sigma_mm=1.0):
    return MetPoint(point, np.eye(3) * sigma_mm**2, 0.0, 1.0)


def covariance(points):
    """Of sigma points: each of two directions counts twice, at the root of 2 times its sigma."""
    away = points - points.mean(axis=0)
    return away.T @ away / len(points)


@given(numbers, numbers, st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_each_is_believed_by_how_sure_it_is(model, click, apart):
    apart = np.array(apart)
    mean, left = weighed(apart, np.eye(3) * model**2, np.eye(3) * click**2)
    assert mean == pytest.approx(apart * model**2 / (model**2 + click**2))
    assert np.allclose(left, np.eye(3) / (1 / model**2 + 1 / click**2))


def test_a_click_that_is_nowhere_near_is_not_taken_for_one_on_the_pedicle():
    model, click = np.eye(3), 3 * np.eye(3)  # 2 mm, one sigma of both
    near, far = np.array([0, 0, 2 * BELIEVED_SIGMAS - 0.1]), np.array([0, 0, 2 * BELIEVED_SIGMAS + 0.1])
    assert weighed(near, model, click)[0][2] > 1.5
    mean, left = weighed(far, model, click)
    assert np.array_equal(mean, np.zeros(3))
    assert np.array_equal(left, model)


def test_a_click_draws_its_own_pedicle_only_and_leaves_less_open(given_vertebra):
    found, vertebra = given_vertebra
    places = {side: p.centre_lps_mm for side, p in measure_pedicles(vertebra).items()}
    alone = pedicle_offsets(found, vertebra, {})
    shown = pedicle_offsets(found, vertebra, {CLICKED[Side.LEFT]: met(places[Side.LEFT] + [2.0, 0.0, 0.0])})
    assert set(alone) == set(Side)
    assert all(points.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9) for points in alone.values())
    assert np.array_equal(shown[Side.RIGHT], alone[Side.RIGHT])
    assert 0.2 < shown[Side.LEFT].mean(axis=0)[0] < 1.8
    assert np.linalg.eigvalsh(covariance(alone[Side.LEFT]) - covariance(shown[Side.LEFT])) @ [0, 1, 1] > 0


@pytest.mark.parametrize("side", list(Side))
def test_a_click_further_on_along_the_pedicle_moves_nothing(given_vertebra, side):
    found, vertebra = given_vertebra
    pedicle = measure_pedicles(vertebra)[side]
    shown = pedicle_offsets(found, vertebra, {CLICKED[side]: met(pedicle.centre_lps_mm + 5.0 * pedicle.axis_lps)})
    assert shown[side].mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)


def test_what_the_modes_leave_is_open_even_where_the_fit_is_sure():
    found = rebuilt(spread=1e-3)
    offsets = pedicle_offsets(found, rebuilt_vertebra(found.shape, found.level, 0.5), {})
    rest = (found.shape.scale * found.shape.model.rest_mm) ** 2 / 3
    assert np.linalg.eigvalsh(covariance(offsets[Side.LEFT])) == pytest.approx([0, rest, rest], rel=1e-3, abs=1e-4)
