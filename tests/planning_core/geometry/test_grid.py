import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from planning_core.geometry import Grid
from tests.planning_core.geometry.strategies import points, rotations


@given(rotations, points, st.lists(st.floats(0.2, 5), min_size=3, max_size=3), st.booleans())
def test_points_agree_with_simpleitk_whatever_the_orientation(rotation, origin, spacing, left_handed):
    direction = rotation * [1, 1, -1] if left_handed else rotation
    grid = Grid((4, 5, 6), spacing, origin, direction)
    image = sitk.Image([6, 5, 4], sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    np.testing.assert_allclose(grid.points([1, 2, 3]), image.TransformIndexToPhysicalPoint([3, 2, 1]), atol=1e-6)


@given(rotations, points, points)
def test_indices_undo_points(rotation, origin, index):
    grid = Grid((4, 5, 6), [0.7, 1, 3], origin, rotation)
    np.testing.assert_allclose(grid.indices(grid.points(index)), index, atol=1e-6)


@given(rotations, points, st.booleans())
def test_all_points_are_the_points_of_all_voxels(rotation, origin, left_handed):
    grid = Grid((4, 5, 6), [0.7, 1, 3], origin, rotation * [1, 1, -1] if left_handed else rotation)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    np.testing.assert_allclose(grid.all_points(), grid.points(index), atol=1e-9)


def test_a_crop_keeps_voxels_where_they_were():
    grid = Grid((9, 8, 7), [1, 2, 3], [10, 20, 30])
    part = grid.crop((slice(2, 5), slice(1, 4), slice(3, 7)))
    assert part.shape == (3, 3, 4)
    np.testing.assert_allclose(part.points([1, 1, 1]), grid.points([3, 2, 4]))


def test_a_resampled_grid_covers_the_same_box():
    grid = Grid((10, 12, 30), [3, 1, 1], [0, 0, 0])
    fine = grid.resampled(0.5)
    np.testing.assert_allclose(fine.points([-0.5] * 3), grid.points([-0.5] * 3))
    np.testing.assert_allclose(fine.points(np.array(fine.shape) - 0.5), grid.points(np.array(grid.shape) - 0.5))


def test_a_grid_with_oblique_axes_that_are_not_orthonormal_is_refused():
    with pytest.raises(ValueError, match="orthonormal"):
        Grid((2, 2, 2), [1, 1, 1], [0, 0, 0], [[1, 0.1, 0], [0, 1, 0], [0, 0, 1]])


def test_axes_give_the_places_of_all_voxels_to_the_last_bit():
    grid = Grid((4, 3, 5), [0.7, 1.1, 0.3], [-3.3, 2.7, 11.1])
    np.testing.assert_array_equal(np.stack(np.broadcast_arrays(*grid.axes()), axis=-1), grid.all_points())


def test_a_turned_grid_has_no_axes_of_its_frame():
    turned = Grid((4, 3, 5), [1, 1, 1], [0, 0, 0], np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]))
    with pytest.raises(ValueError, match="turned"):
        turned.axes()
