"""What clicks say of a chain's parameters."""

import attrs
import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.xray.fit import usual_chain
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.prior import Isthmuses, prior_of
from planning_core.xray.geometry import PinholeView

VIEWS = [PinholeView.isocentric(a, 5.0, 1000.0, 640.0, (300, 300), (1.0, 1.0)) for a in (0.0, 70.0)]


@pytest.fixture(scope="module")
def chain():
    usual = usual_chain(VertebraLevel.T8, "carm")
    step = np.random.default_rng(3).normal(size=usual.count) * 0.05
    step[usual.own - 3 : usual.own] = [0.1, 0.05, 0.02]
    return usual.moved(step)


def clicks_on(chain, off=0.0):
    pedicles, _ = Isthmuses.of(chain.shape.model).places(chain.shape, chain.middle)
    points = np.vstack([chain.middle, pedicles])
    return [view.project(points) + off * np.array([[0, 0], [1, -1], [0, 1]]) for view in VIEWS]


def test_the_isthmus_lies_halfway_on_the_axis_that_the_model_carries(chain):
    ends = chain.shape.model.pedicles.of(chain.shape.vertices)
    places, _ = Isthmuses.of(chain.shape.model).places(chain.shape, chain.middle)
    np.testing.assert_allclose(places, [ends[:2].mean(axis=0), ends[2:].mean(axis=0)], atol=1e-9)


@pytest.mark.parametrize("off", [0.0, 3.0, 40.0])
def test_the_pull_is_the_slope_of_the_cost(chain, off):
    prior = prior_of(chain, VIEWS, clicks_on(chain, off), FitConfig())
    _, pull = prior.step(chain)
    for k in range(chain.own):
        step = np.zeros(chain.count)
        step[k] = 1e-5
        slope = (prior.cost(chain.moved(step)) - prior.cost(chain.moved(-step))) / 2e-5
        assert -slope == pytest.approx(pull[k], rel=0.08, abs=0.1)  # the picture's scale where the point lies is taken for fixed


def test_clicks_where_the_points_are_cost_nothing(chain):
    alone, shown = (prior_of(chain, VIEWS if c else (), c, FitConfig()).cost(chain) for c in ([], clicks_on(chain)))
    assert shown == pytest.approx(alone, abs=1e-9)


def test_a_click_far_off_pulls_less_than_one_near(chain):
    def pulled(off):
        _, pull = prior_of(chain, VIEWS, clicks_on(chain, off), FitConfig()).step(chain)
        _, none = prior_of(chain, VIEWS, clicks_on(chain), FitConfig()).step(chain)
        return np.linalg.norm((pull - none)[3:6])

    assert pulled(60.0) < pulled(5.0)


def test_one_point_leaves_the_pedicles_out(chain):
    body = [c[:1] for c in clicks_on(chain, 20.0)]
    one = prior_of(chain, VIEWS, body, FitConfig())
    assert one.cost(chain) == pytest.approx(attrs.evolve(one, views=(), clicks=()).cost(chain), abs=1e-9)


def test_clicks_in_more_views_are_no_greater_deviation(chain):
    clicks = clicks_on(chain, 3.0)
    two, four = (prior_of(chain, VIEWS * n, clicks * n, FitConfig()) for n in (1, 2))
    assert two.deviation(chain) == pytest.approx(two.cost(chain))
    assert four.deviation(chain) == pytest.approx(two.deviation(chain))
    assert four.cost(chain) > two.cost(chain)
