import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.geometry import DistanceField, FrameMismatchError, Grid, RigidTransform
from tests.planning_core.geometry.strategies import points, rotations


def ball(radius: float, spacing) -> tuple[np.ndarray, Grid]:
    size = np.ceil(2 * (radius + 6) / np.array(spacing)).astype(int)
    grid = Grid(size[::-1], spacing, -(size - 1) / 2 * np.array(spacing))
    return np.linalg.norm(grid.all_points(), axis=-1) < radius, grid


@settings(max_examples=15, deadline=None)
@given(st.floats(8, 16), st.sampled_from([(1, 1, 1), (3, 1, 1), (0.7, 0.7, 2.5), (1, 1, 2)]))
def test_distance_to_a_ball_is_right_along_fine_and_coarse_axes(radius, spacing):
    mask, grid = ball(radius, spacing)
    field = DistanceField.from_mask(mask, grid)
    for axis in np.eye(3):
        for away in (radius - 4, radius + 4):
            assert abs(field.at(axis * away) - (away - radius)) < 0.75 * max(spacing)  # half a voxel is the mask itself


@settings(max_examples=15, deadline=None)
@given(st.floats(8, 16), st.sampled_from([(1, 1, 1), (3, 1, 1), (0.7, 0.7, 2.5)]))
def test_as_many_voxels_lie_inside_a_field_as_in_its_mask(radius, spacing):
    mask, grid = ball(radius, spacing)
    assert abs(int(DistanceField.from_mask(mask, grid).inside().sum()) - int(mask.sum())) <= 0.01 * mask.sum()


def test_a_flipped_mask_gives_the_flipped_field():
    mask, grid = ball(9, (3, 1, 1))
    mask = mask & (grid.all_points()[..., 1] < 4)
    there, back = DistanceField.from_mask(mask, grid), DistanceField.from_mask(mask[:, ::-1], grid)
    np.testing.assert_allclose(there.values[:, ::-1], back.values, atol=1e-4)


def test_far_from_the_grid_distance_goes_on_growing():
    mask, grid = ball(5, (1, 1, 1))
    field = DistanceField.from_mask(mask, grid)
    assert field.at([100.0, 0, 0]) == pytest.approx(95, abs=1.5)


@settings(max_examples=15, deadline=None)
@given(rotations, points)
def test_a_moved_field_is_the_field_at_the_moved_places(rotation, shift):
    mask, grid = ball(5, (1, 1, 3))
    field = DistanceField.from_mask(mask, grid)
    move = RigidTransform.from_parts("vertebra_L1", grid.frame, rotation, shift)
    onto = Grid.centred("vertebra_L1", [9, 8, 7], 2.0)
    np.testing.assert_allclose(
        field.moved(move, onto).values, field.at(move.inverse().apply(onto.all_points())), rtol=1e-5, atol=1e-4
    )


def test_a_field_is_not_moved_between_frames_that_do_not_meet():
    mask, grid = ball(5, (1, 1, 1))
    field = DistanceField.from_mask(mask, grid)
    wrong = RigidTransform("vertebra_L1", "vertebra_L2", np.eye(4))
    with pytest.raises(FrameMismatchError):
        field.moved(wrong, Grid.centred("vertebra_L1", [5, 5, 5], 1.0))


def test_nothing_inside_is_far_from_everything():
    grid = Grid((4, 4, 4), [1, 1, 1], [0, 0, 0])
    assert DistanceField.from_mask(np.zeros((4, 4, 4), bool), grid).volume_ml() == 0
