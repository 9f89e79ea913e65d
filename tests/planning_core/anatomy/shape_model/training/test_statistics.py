"""Procrustes alignment and modes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.anatomy.shape_model.training.statistics import align, modes_of, onto, without_similarity

SHAPE = np.random.default_rng(0).normal(size=(40, 3)) * [20.0, 15, 10]


@given(st.tuples(*[st.floats(-0.5, 0.5)] * 3), st.tuples(*[st.floats(-20, 20)] * 3))
def test_a_moved_shape_is_laid_back(turn, shift):
    moved = SHAPE @ Rotation.from_rotvec(turn).as_matrix().T + shift
    np.testing.assert_allclose(onto(moved, SHAPE), SHAPE, atol=1e-9)


def test_copies_of_any_size_and_place_have_no_spread_but_their_size():
    rng = np.random.default_rng(1)
    sizes = np.exp(rng.normal(0, 0.1, 5))
    copies = [s * SHAPE @ Rotation.from_rotvec(rng.normal(0, 0.1, 3)).as_matrix().T + rng.normal(0, 3, 3) for s in sizes]
    laid = align(copies)
    np.testing.assert_allclose(laid.shapes, np.broadcast_to(laid.mean, laid.shapes.shape), atol=1e-6)
    np.testing.assert_allclose(laid.log_scale, np.log(sizes) - np.log(sizes).mean(), atol=1e-9)


@settings(max_examples=20)
@given(st.integers(1, 6))
def test_modes_carry_the_factors_covariance(count):
    factors = np.random.default_rng(count).normal(size=(count, 12, 3))
    modes, sigma = modes_of(factors, 15)
    flat, scaled = factors.reshape(count, -1), (modes * sigma[:, None, None]).reshape(len(modes), -1)
    np.testing.assert_allclose(scaled.T @ scaled, flat.T @ flat, atol=1e-9)
    np.testing.assert_allclose((modes**2).sum(axis=-1).mean(axis=-1), 1)


def test_what_only_moves_turns_or_scales_is_taken_out():
    fields = np.stack([np.tile([1.0, 2, 3], (40, 1)), np.cross([0.1, 0.2, 0.3], SHAPE), 0.1 * SHAPE])
    assert np.abs(without_similarity(fields, SHAPE)).max() < 1e-9
