import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hardware_sim.tracker.measurement import MarkerView
from hardware_sim.tracker.pose_fit import MISSING, fit_tool, rigid_fit, same_geometry
from hardware_sim.tracker.scene import PATIENT_REF, ROBOT_REF
from hardware_sim.tracker.tool_definition import parse_rom
from planning_core.geometry.transform import quaternion
from tests.hardware_sim.tracker.rom import rom

DEFINITION = parse_rom(rom(PATIENT_REF.markers_mm).ljust(1024, b"\0"))
ALL = np.ones(4, dtype=bool)


def view(points, seen=ALL, inside=ALL) -> MarkerView:
    return MarkerView(np.asarray(points, dtype=float), np.asarray(seen), np.asarray(inside))


vectors = st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(np.array)


@given(vectors, vectors)
def test_a_rigid_motion_is_found_again(rotation_vector, translation):
    rotation = Rotation.from_rotvec(rotation_vector).as_matrix()
    target = PATIENT_REF.markers_mm @ rotation.T + 100 * translation
    found, moved = rigid_fit(PATIENT_REF.markers_mm, target)
    assert np.allclose(found, rotation, atol=1e-9)
    assert np.allclose(moved, 100 * translation, atol=1e-7)


@given(vectors)
def test_the_quaternion_is_the_rotation(rotation_vector):
    rotation = Rotation.from_rotvec(rotation_vector)
    found = quaternion(rotation.as_matrix())
    assert np.linalg.norm(found) == pytest.approx(1.0)
    assert abs(found @ rotation.as_quat(scalar_first=True)) == pytest.approx(1.0)


def placed() -> np.ndarray:
    return PATIENT_REF.markers_mm + [0.0, 0.0, -1500.0]


def test_three_of_four_spheres_make_a_pose_and_two_do_not():
    assert fit_tool(DEFINITION, view(placed(), seen=[True, True, False, True])).quaternion is not None
    assert fit_tool(DEFINITION, view(placed(), seen=[True, False, False, True])) is MISSING


def test_a_sphere_far_off_is_left_out():
    points = placed()
    points[3] += [0.0, 30.0, 0.0]
    fitted = fit_tool(DEFINITION, view(points))
    assert fitted.translation_mm == pytest.approx([0.0, 0.0, -1500.0], abs=1e-3)
    assert fitted.rms_mm < 1e-3


def test_a_sphere_a_little_off_shows_in_the_error():
    points = placed()
    points[0] += [2.0, 0.0, 0.0]
    assert fit_tool(DEFINITION, view(points)).rms_mm > 0.5


def test_volume_flags_follow_the_spheres():
    assert fit_tool(DEFINITION, view(placed(), inside=~ALL)).out_of_volume
    partly = fit_tool(DEFINITION, view(placed(), inside=[True, True, False, False]))
    assert partly.partially_out
    assert not partly.out_of_volume


def test_markers_that_face_away_are_left_out():
    away = parse_rom(rom(PATIENT_REF.markers_mm, normals=[[0, 0, -1]] * 4))
    towards = parse_rom(rom(PATIENT_REF.markers_mm, normals=[[0, 0, 1]] * 4))
    assert fit_tool(away, view(placed())) is MISSING
    assert fit_tool(towards, view(placed())).quaternion is not None


def test_bodies_are_told_apart_by_their_geometry():
    assert same_geometry(DEFINITION, PATIENT_REF)
    assert not same_geometry(DEFINITION, ROBOT_REF)
