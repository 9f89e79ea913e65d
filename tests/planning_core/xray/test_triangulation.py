import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planning_core.anatomy.vertebra import Side
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pair import angle_deg
from planning_core.xray.refusals import EqualViewsError, TooFewViewsError
from planning_core.xray.triangulation import (
    MissingPicturePointError,
    PicturePoint,
    drawn_paths,
    marked_path,
    met_points,
    triangulate,
)
from tests.planning_core.xray.strategies import points, views

PLACES = {
    PicturePoint.BODY: np.array([0.0, 0.0, 0.0]),
    PicturePoint.FRONT: np.array([0.0, -16.0, 0.0]),
    PicturePoint.PEDICLE_LEFT: np.array([14.0, 22.0, 5.0]),
    PicturePoint.PEDICLE_RIGHT: np.array([-14.0, 22.0, 5.0]),
}


def at(primary_deg, secondary_deg=0.0):
    return PinholeView.isocentric(primary_deg, secondary_deg, 1020.0, 640.0, (288, 288), (1.0, 1.0))


def clicks(some, places=PLACES):
    return [{point: view.project(place) for point, place in places.items()} for view in some]


@given(st.tuples(views(), views()), points)
def test_an_exact_click_meets_its_point_without_a_gap(pair, point):
    assume(angle_deg(*pair, at_mm=point) > 5)
    met = triangulate(pair, [view.project(point) for view in pair])
    assert met.point_mm == pytest.approx(point, abs=1e-5)
    assert met.gap_mm < 1e-5
    assert met.one_point


def test_the_error_that_is_stated_is_the_error_made():
    pair, place, rng = (at(0), at(50)), np.array([10.0, -5.0, 20.0]), np.random.default_rng(4)
    exact = np.array([view.project(place) for view in pair])
    met = [triangulate(pair, exact + rng.normal(0, 1.5, exact.shape), 1.5) for _ in range(800)]
    made = np.cov(np.array([m.point_mm for m in met]).T)
    assert np.linalg.eigvalsh(made) == pytest.approx(np.linalg.eigvalsh(met[0].covariance_mm2), rel=0.2)
    gaps = np.array([m.gap_mm for m in met])
    assert np.sqrt((gaps**2).mean()) == pytest.approx(met[0].gap_sigma_mm, rel=0.15)
    assert np.mean([m.one_point for m in met]) > 0.99


def test_clicks_on_two_points_are_not_one():
    pair = (at(0), at(90))
    met = triangulate(pair, [pair[0].project([0, 0, 0]), pair[1].project([0, 0, 25.0])])
    assert not met.one_point
    assert met.gap_mm == pytest.approx(12.5, rel=0.1)


def test_a_wider_angle_knows_the_depth_better():
    spread = [np.trace(triangulate((at(0), at(a)), [[143.5, 143.5]] * 2).covariance_mm2) for a in (20, 45, 90)]
    assert spread[0] > 2 * spread[1] > 2 * spread[2]


def test_one_view_or_two_equal_ones_meet_nothing():
    with pytest.raises(TooFewViewsError):
        triangulate([at(0)], [[10, 10]])
    with pytest.raises(EqualViewsError):
        triangulate([at(0), at(0)], [[10, 10]] * 2)


def test_a_point_seen_in_one_view_only_is_not_met():
    pair = (at(0), at(90))
    given_clicks = clicks(pair)
    del given_clicks[1][PicturePoint.FRONT]
    assert PicturePoint.FRONT not in met_points(pair, given_clicks)
    with pytest.raises(MissingPicturePointError) as refused:
        drawn_paths(pair, given_clicks)
    assert refused.value.missing == ["front"]


def test_drawn_paths_lead_through_their_pedicles_to_the_front_third_and_mirror_each_other():
    pair = (at(0), at(90))
    paths = drawn_paths(pair, clicks(pair))
    assert set(paths) == set(Side)
    for side, sign in ((Side.LEFT, 1), (Side.RIGHT, -1)):
        path = paths[side]
        assert path.frame == "carm"
        assert -12 < path.target_mm[1] < -4
        assert 3 < sign * path.target_mm[0] < 10
        pedicle = PLACES[PicturePoint.PEDICLE_LEFT if side is Side.LEFT else PicturePoint.PEDICLE_RIGHT]
        away = np.cross(pedicle - path.entry_mm, path.target_mm - path.entry_mm)
        assert np.linalg.norm(away) / np.linalg.norm(path.target_mm - path.entry_mm) < 1e-6
    assert paths[Side.LEFT].entry_mm * [-1, 1, 1] == pytest.approx(paths[Side.RIGHT].entry_mm, abs=1e-5)


def test_a_marked_path_is_where_it_was_marked():
    pair = (at(20, 5), at(-60, -10))
    entry, target = np.array([20.0, 40.0, 8.0]), np.array([6.0, -8.0, 0.0])
    path = marked_path(Side.LEFT, pair, [v.project(entry) for v in pair], [v.project(target) for v in pair])
    assert path.entry_mm == pytest.approx(entry, abs=1e-6)
    assert path.target_mm == pytest.approx(target, abs=1e-6)
