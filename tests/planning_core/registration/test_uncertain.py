import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from planning_core.geometry import FrameMismatchError, RigidTransform
from planning_core.geometry.covariance import InvalidCovarianceError
from planning_core.registration.uncertain import UncertainTransform
from tests.planning_core.registration.strategies import pose, seeds


def uncertain(seed, dst, src):
    rng = np.random.default_rng([seed, 9])
    root = rng.normal(0, 1, (6, 6)) * np.array([1e-3] * 3 + [0.3] * 3)[:, None]
    return UncertainTransform(pose(seed, dst, src), root @ root.T)


@given(seeds)
def test_there_and_back_is_where_it_was(seed):
    there = uncertain(seed, "a", "b")
    back = there.inverse().inverse()
    np.testing.assert_allclose(back.covariance, there.covariance, atol=1e-9)


@given(seeds)
def test_a_chain_may_be_bracketed_either_way(seed):
    a, b, c = uncertain(seed, "a", "b"), uncertain(seed + 1, "b", "c"), uncertain(seed + 2, "c", "d")
    np.testing.assert_allclose(((a @ b) @ c).covariance, (a @ (b @ c)).covariance, atol=1e-8)


@given(seeds)
def test_a_chain_is_never_better_than_its_links(seed):
    a, b = uncertain(seed, "a", "b"), uncertain(seed + 1, "b", "c")
    point = np.array([10.0, -20, 30])
    chain = (a @ b).covariance_at(point)
    assert np.linalg.eigvalsh(chain - a.covariance_at(b.transform.apply(point)))[0] > -1e-9


def test_the_covariance_is_that_of_many_drawn_transforms():
    a, b = uncertain(3, "a", "b"), uncertain(4, "b", "c")
    rng = np.random.default_rng(0)
    point = np.array([40.0, -10, 25])

    def drawn(link):
        small = rng.multivariate_normal(np.zeros(6), link.covariance)
        turn = Rotation.from_rotvec(small[:3]).as_matrix()
        return RigidTransform.from_parts(
            link.transform.dst,
            link.transform.src,
            turn @ link.transform.rotation,
            turn @ link.transform.translation_mm + small[3:],
        )

    seen = np.array([(drawn(a) @ drawn(b)).apply(point) for _ in range(1200)])
    predicted = (a @ b).covariance_at(point)
    np.testing.assert_allclose(np.cov(seen.T), predicted, atol=0.12 * np.abs(predicted).max())


def test_links_that_do_not_meet_are_refused():
    with pytest.raises(FrameMismatchError):
        uncertain(0, "a", "b") @ uncertain(1, "c", "d")


@pytest.mark.parametrize("bad", [np.eye(5), -np.eye(6), np.eye(6) + np.eye(6, k=1), np.full((6, 6), np.nan)])
def test_what_is_no_covariance_is_refused(bad):
    with pytest.raises(InvalidCovarianceError):
        UncertainTransform(pose(0, "a", "b"), bad)
