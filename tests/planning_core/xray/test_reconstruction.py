"""A vertebra rebuilt, and how sure it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model import ShapeInstance, load_shape_model
from planning_core.geometry import RigidTransform
from planning_core.xray.reconstruction import SCALE, SHIFT, TURN, XrayReconstruction, body_middle, moved, vertex_slopes

MODEL = load_shape_model(VertebraLevel.L2)
COUNT = MODEL.mode_count + 10
POSE = RigidTransform.from_parts("carm", "vertebra", Rotation.from_rotvec([0.2, -0.1, 0.3]).as_matrix(), [5.0, -8.0, 3.0])
SHAPE = ShapeInstance(MODEL, POSE, np.full(MODEL.mode_count, 0.3), 1.05, (0.1, 0.05, 0.02))


def result(covariance, shape=SHAPE):
    return XrayReconstruction(VertebraLevel.L2, shape, covariance, (0.5, 0.5), (5.0, 5.0), 0.9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, COUNT - 1), st.sampled_from([1e-4, -1e-4]))
def test_slopes_are_those_of_the_vertices(number, step):
    move = np.zeros(COUNT)
    move[number] = step
    found = (moved(SHAPE, move).vertices - SHAPE.vertices) / step
    assert found == pytest.approx(vertex_slopes(SHAPE)[number], abs=0.02)


def test_a_turn_keeps_the_body_in_its_place_and_a_shift_moves_it_so_far():
    middle = body_middle(MODEL, SHAPE.shape)
    move = np.zeros(COUNT)
    move[TURN], move[SHIFT] = [0.1, 0.2, -0.1], [1.0, 2.0, 3.0]
    there = moved(SHAPE, move).pose.apply(middle)
    assert there == pytest.approx(SHAPE.pose.apply(middle) + [1, 2, 3], abs=1e-9)


def test_no_step_gives_height_or_takes_all_of_it():
    move = np.zeros(COUNT)
    move[-3:] = [-1.0, 2.0, 2.0]
    fracture = moved(SHAPE, move).fracture
    assert fracture.min() >= 0
    assert fracture.sum() <= 0.85


def test_draws_spread_as_the_covariance_says_and_come_again():
    covariance = np.zeros((COUNT, COUNT))
    covariance[SHIFT, SHIFT] = np.diag([4.0, 1.0, 0.25])
    one = result(covariance)
    draws = one.draws(400, seed=1)
    assert draws.shape == (400, len(MODEL.mean), 3)
    np.testing.assert_array_equal(draws, one.draws(400, seed=1))
    assert draws[:, 0].std(axis=0) == pytest.approx([2.0, 1.0, 0.5], rel=0.15)


def test_a_surer_result_has_a_surer_surface():
    wide, none = np.eye(COUNT) * 1e-2, np.zeros((COUNT, COUNT))
    assert (result(wide).surface_sd_mm > result(none).surface_sd_mm).mean() > 0.99
    assert result(none).surface_sd_mm == pytest.approx(SHAPE.scale * MODEL.rest_mm / np.sqrt(3))


def test_size_moves_the_surface_away_from_the_vertebras_origin():
    assert vertex_slopes(SHAPE)[SCALE] == pytest.approx(SHAPE.vertices - SHAPE.pose.translation_mm)


def test_a_covariance_of_another_size_is_refused():
    with pytest.raises(ValueError, match="parameters"):
        result(np.eye(COUNT - 1))
