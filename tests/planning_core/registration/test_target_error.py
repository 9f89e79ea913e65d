import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from planning_core.registration.points import fit_points, rigid_fit
from planning_core.registration.target_error import TargetError, error_at, fit_covariance, radius_holding, uncertain_fit
from planning_core.registration.uncertain import point_jacobian
from tests.planning_core.registration.strategies import cloud, covariances, pose, seeds


@given(seeds, st.integers(4, 12))
def test_the_covariance_at_any_target_is_one(seed, n):
    here, truth = cloud(seed, n), pose(seed, "a", "b")
    fit = uncertain_fit(fit_points(truth.apply(here), here, "a", "b"), covariances(seed, n), covariances(seed + 1, n))
    error = error_at(fit, np.random.default_rng(seed).uniform(-150, 150, 3))
    assert np.linalg.eigvalsh(error.covariance)[0] >= -1e-12
    assert error.rms_mm > 0
    assert error.sigmas_mm[0] <= error.bound95_mm <= 2 * error.rms_mm


@given(seeds)
def test_the_error_turns_with_the_frame(seed):
    here, turn = cloud(seed, 6), pose(seed, "a", "b")
    fle, target = covariances(seed, 6), np.array([30.0, 80, -20])
    still = fit_covariance(here, fle, np.ones(6))
    turned = fit_covariance(turn.apply(here), turn.rotation @ fle @ turn.rotation.T, np.ones(6))
    at = point_jacobian(target) @ still @ point_jacobian(target).T
    there = point_jacobian(turn.apply(target)) @ turned @ point_jacobian(turn.apply(target)).T
    np.testing.assert_allclose(there, turn.rotation @ at @ turn.rotation.T, atol=1e-9)


@given(seeds)
def test_one_more_fiducial_of_the_same_kind_never_harms(seed):
    """For equal isotropic errors least squares is the best estimator, and more data cannot make that worse."""
    here = cloud(seed, 9)
    target = np.random.default_rng(seed).uniform(-150, 150, 3)
    sizes = []
    for n in (6, 7, 8, 9):
        covariance = fit_covariance(here[:n], np.broadcast_to(np.eye(3) * 0.04, (n, 3, 3)), np.ones(n))
        sizes.append(np.trace(point_jacobian(target) @ covariance @ point_jacobian(target).T))
    assert np.all(np.diff(sizes) <= 1e-12)


def test_equal_errors_give_the_known_formula():
    """⟨TRE²⟩ = ⟨FLE²⟩/N (1 + ⅓ Σ dₖ²/fₖ²), Fitzpatrick 1998."""
    here = np.array([[s * 30.0, t * 20, u * 10] for s in (-1, 1) for t in (-1, 1) for u in (-1, 1)])
    target, fle2 = np.array([50.0, -70, 20]), 3 * 0.2**2
    covariance = fit_covariance(here, np.broadcast_to(np.eye(3) * 0.04, (8, 3, 3)), np.ones(8))
    predicted = np.trace(point_jacobian(target) @ covariance @ point_jacobian(target).T)
    squares = here**2
    away = [target[(k + 1) % 3] ** 2 + target[(k + 2) % 3] ** 2 for k in range(3)]
    around = [(squares[:, (k + 1) % 3] + squares[:, (k + 2) % 3]).mean() for k in range(3)]
    assert predicted == pytest.approx(fle2 / 8 * (1 + sum(d / f for d, f in zip(away, around, strict=True)) / 3))


@pytest.mark.parametrize(("sigmas", "degrees"), [((1, 1, 1), 3), ((1, 1, 0), 2), ((1, 0, 0), 1)])
def test_the_bound_of_a_round_error_is_that_of_chi(sigmas, degrees):
    bound = TargetError.of(np.diag(np.square(sigmas).astype(float)) * 0.25, "a").bound95_mm
    assert bound == pytest.approx(0.5 * np.sqrt(chi2.ppf(0.95, degrees)), rel=0.01)


def test_the_true_error_stays_within_its_bound_as_often_as_said():
    """1000 plates of their own shape, each error anisotropic and its own, weights of the fit unequal."""
    rng = np.random.default_rng(7)
    inside, trials, predicted, square = 0, 1000, 0.0, 0.0
    for trial in range(trials):
        n = int(rng.integers(5, 10))
        here, truth = cloud(trial, n), pose(trial, "a", "b")
        fle = covariances(trial, n)
        weights = 1 / np.trace(fle, axis1=1, axis2=2)
        noise = (np.linalg.cholesky(fle) @ rng.normal(0, 1, (n, 3, 1)))[..., 0]
        turn, shift = rigid_fit(truth.apply(here) + noise, here, weights)
        target = rng.uniform(-100, 100, 3)
        moved = here @ turn.T + shift
        jacobian = point_jacobian(turn @ target + shift)
        covariance = jacobian @ fit_covariance(moved, fle, weights) @ jacobian.T
        error = np.linalg.norm(turn @ target + shift - truth.apply(target))
        inside += error <= radius_holding(covariance, 0.95)
        predicted, square = predicted + np.trace(covariance), square + error**2
    assert 0.93 <= inside / trials <= 0.97
    assert np.sqrt(predicted / trials) == pytest.approx(np.sqrt(square / trials), rel=0.06)
