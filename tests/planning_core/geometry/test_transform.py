import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from planning_core.geometry import FrameMismatchError, InvalidTransformError, RigidTransform
from tests.planning_core.geometry.strategies import points, transforms


@given(transforms("a", "b"), transforms("b", "c"), points)
def test_a_chain_moves_a_point_as_its_links_do(first, second, point):
    np.testing.assert_allclose((first @ second).apply(point), first.apply(second.apply(point)), atol=1e-6)


@given(transforms("a", "b"), points)
def test_the_inverse_brings_a_point_back(transform, point):
    np.testing.assert_allclose(transform.inverse().apply(transform.apply(point)), point, atol=1e-6)


@given(transforms("a", "b"), transforms("a", "c"))
def test_a_chain_whose_frames_do_not_meet_is_refused(first, second):
    with pytest.raises(FrameMismatchError) as caught:
        first @ second
    assert (caught.value.left, caught.value.right) == ("b", "a")


@pytest.mark.parametrize(
    "matrix", [np.eye(4) * 2, np.diag([1, 1, -1, 1]), np.full((4, 4), np.nan), np.eye(4) + np.eye(4, k=1) * 1e-3]
)
def test_a_matrix_that_is_not_rigid_is_refused(matrix):
    with pytest.raises(InvalidTransformError):
        RigidTransform("a", "b", matrix)


def test_a_matrix_of_another_shape_is_refused_with_its_shape():
    with pytest.raises(InvalidTransformError, match="4x4, got shape"):
        RigidTransform("a", "b", np.eye(3))


def test_the_matrix_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        RigidTransform("a", "b", np.eye(4)).matrix[0, 0] = 2


@given(transforms("a", "b"))
def test_a_quaternion_says_the_same_rotation_as_a_peer_and_leads_back(transform):
    same = np.abs(np.dot(transform.quaternion, Rotation.from_matrix(transform.rotation).as_quat()))
    assert same == pytest.approx(1.0, abs=1e-9)
    back = RigidTransform.from_quaternion("a", "b", transform.quaternion, transform.translation_mm)
    np.testing.assert_allclose(back.matrix, transform.matrix, atol=1e-9)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_a_turn_has_a_quaternion_too(axis):
    turn = RigidTransform.from_parts("a", "b", 2 * np.outer(axis, axis) - np.eye(3), np.zeros(3))
    np.testing.assert_allclose(np.abs(turn.quaternion), [*axis, 0.0], atol=1e-12)


@pytest.mark.parametrize("quaternion", [(0.0, 0.0, 0.0, 0.0), (np.nan, 0.0, 0.0, 1.0), (np.inf, 0.0, 0.0, 1.0)])
def test_a_quaternion_without_a_rotation_is_refused(quaternion):
    with pytest.raises(InvalidTransformError):
        RigidTransform.from_quaternion("a", "b", quaternion, np.zeros(3))
