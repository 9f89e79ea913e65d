import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.registration.points import fit_points, fit_points_robustly
from planning_core.registration.refusals import OutliersError, PointsError
from tests.planning_core.registration.strategies import cloud, pose, seeds


@given(seeds, st.integers(3, 12))
def test_a_move_without_noise_is_recovered_exactly(seed, n):
    here, truth = cloud(seed, n), pose(seed, "a", "b")
    fit = fit_points(truth.apply(here), here, "a", "b")
    np.testing.assert_allclose(fit.transform.matrix, truth.matrix, atol=1e-9)
    assert fit.fre_mm < 1e-9


@given(seeds, seeds)
def test_turning_both_sides_turns_the_answer(seed, other):
    rng = np.random.default_rng(seed)
    here, truth = cloud(seed, 7), pose(seed, "a", "b")
    there = truth.apply(here) + rng.normal(0, 0.5, (7, 3))
    left, right = pose(other, "c", "a"), pose(other + 1, "b", "d")
    fit = fit_points(there, here, "a", "b")
    turned = fit_points(left.apply(there), right.inverse().apply(here), "c", "d")
    np.testing.assert_allclose(turned.transform.matrix, (left @ fit.transform @ right).matrix, atol=1e-7)
    assert turned.fre_mm == pytest.approx(fit.fre_mm)


@given(seeds)
def test_mirrored_points_still_give_a_rotation(seed):
    here = cloud(seed, 6)
    fit = fit_points(here * [1, 1, -1], here, "a", "b")
    assert np.linalg.det(fit.transform.rotation) == pytest.approx(1)


@given(seeds, st.integers(1, 4))
def test_less_than_half_wrong_pairs_change_nothing(seed, wrong):
    rng = np.random.default_rng(seed)
    here, truth = cloud(seed, 10), pose(seed, "a", "b")
    there = truth.apply(here)
    there[:wrong] += 15 + 20 * rng.random((wrong, 1)) * np.array([[1.0, -1, 0.3]])
    fit = fit_points_robustly(there, here, "a", "b", inlier_mm=0.5)
    np.testing.assert_allclose(fit.transform.matrix, truth.matrix, atol=1e-6)
    assert not fit.inliers[:wrong].any()
    assert fit.inliers[wrong:].all()


def test_a_heavy_point_is_met_more_closely():
    here = cloud(1, 6)
    there = here + np.random.default_rng(1).normal(0, 1, here.shape)
    even = fit_points(there, here, "a", "b")
    heavy = fit_points(there, here, "a", "b", [100, 1, 1, 1, 1, 1])
    assert np.linalg.norm(heavy.residuals_mm[0]) < np.linalg.norm(even.residuals_mm[0])


def test_pairs_without_a_common_pose_are_refused_with_their_number():
    rng = np.random.default_rng(0)
    with pytest.raises(OutliersError) as caught:
        fit_points_robustly(rng.normal(0, 40, (9, 3)), rng.normal(0, 40, (9, 3)), "a", "b", inlier_mm=0.5)
    assert caught.value.count == 9
    assert caught.value.needed == 5


@pytest.mark.parametrize(
    ("dst", "src"),
    [
        (np.eye(3)[:2], np.eye(3)[:2]),
        (np.eye(3), cloud(0, 4)),
        (np.full((4, 3), np.nan), cloud(0, 4)),
        (np.outer(np.arange(5), [1, 2, 3]), np.outer(np.arange(5), [1, 2, 3])),
    ],
)
def test_points_that_fix_no_pose_are_refused(dst, src):
    with pytest.raises(PointsError):
        fit_points(dst, src, "a", "b")


@pytest.mark.parametrize("weights", [[1, 1, 1, 0], [1, 1, 1, np.inf], [1, 1, 1]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(PointsError):
        fit_points(cloud(0, 4), cloud(0, 4), "a", "b", weights)
