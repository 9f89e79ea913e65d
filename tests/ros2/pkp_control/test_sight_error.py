"""What stays in a guide seen by the camera, against drawing marker errors and fitting poses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkp_control.sight_error import Markers, SightConfig, constant_covariances, farthest
from scipy.spatial.transform import Rotation

from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import CROSS, MARKERS, PLATE

PATIENT = RigidTransform.from_parts("tracker", "patient_ref", np.diag([1.0, -1.0, -1.0]), [0.0, 0.0, -1400.0])
TOOL = RigidTransform.from_parts("tracker", "robot_ref", np.diag([1.0, -1.0, -1.0]), [60.0, -120.0, -1380.0])
TIP = RigidTransform.from_parts("robot_ref", "guide_tip", np.eye(3), [0.0, 90.0, 90.0])
DEPTHS = (55.0, 105.0)
NO_GUIDE = {"guide_mm": 0.0, "guide_deg": 0.0}


def fitted(truth: RigidTransform, markers: np.ndarray, errors: np.ndarray) -> RigidTransform:
    seen = truth.apply(markers) + errors
    turn, _ = Rotation.align_vectors(seen - seen.mean(axis=0), markers - markers.mean(axis=0))
    return RigidTransform.from_parts(truth.dst, truth.src, turn.as_matrix(), seen.mean(axis=0) - turn.apply(markers.mean(axis=0)))


def drawn(config: SightConfig, smooth: bool, count: int = 1500) -> np.ndarray:
    """(3, 3, 3) covariances of what fits make of drawn marker errors."""
    draw, rows = np.random.default_rng(4), []
    for _ in range(count):
        if smooth:
            waves = draw.normal(size=(12, 3))
            waves *= 2 * np.pi / config.field_wavelength_mm / np.linalg.norm(waves, axis=1, keepdims=True)
            phases = draw.uniform(0, 2 * np.pi, (12, 3))
            error = [
                np.sqrt(2 / 12) * np.array(config.field_mm) * np.sin((p @ waves.T)[:, :, None] + phases).sum(axis=1)
                for p in (TOOL.apply(PLATE), PATIENT.apply(CROSS))
            ]
        else:
            error = [draw.normal(size=(4, 3)) * config.marker_mm for _ in range(2)]
        tool, patient = fitted(TOOL, PLATE, error[0]), fitted(PATIENT, CROSS, error[1])
        off = (TOOL @ TIP).inverse() @ PATIENT @ patient.inverse() @ tool @ TIP
        places = np.array([[0, 0, d] for d in DEPTHS])
        axis = off.rotation[:, 2] - [0, 0, 1]
        rows.append([*(off.apply(places) - places), np.rad2deg(axis)])
    errors = np.array(rows)
    return np.einsum("nra,nrb->rab", errors, errors) / count


@pytest.mark.parametrize("smooth", [False, True])
def test_the_covariances_are_those_of_drawn_errors(smooth):
    tiny = (1e-9, 1e-9, 1e-9)
    config = SightConfig(marker_mm=tiny, **NO_GUIDE) if smooth else SightConfig(field_mm=tiny, **NO_GUIDE)
    wanted = constant_covariances(PATIENT, TOOL, TIP, DEPTHS, MARKERS, config)
    np.testing.assert_allclose(
        np.sqrt(np.trace(drawn(config, smooth), axis1=1, axis2=2)), np.sqrt(np.trace(wanted, axis1=1, axis2=2)), rtol=0.08
    )


def test_a_longer_lever_and_smaller_tools_make_it_worse():
    base = constant_covariances(PATIENT, TOOL, TIP, DEPTHS, MARKERS, SightConfig())
    small = constant_covariances(PATIENT, TOOL, TIP, DEPTHS, Markers(CROSS / 2, PLATE / 2), SightConfig())
    assert np.trace(base[1]) > np.trace(base[0])
    assert (np.trace(small, axis1=1, axis2=2) > np.trace(base, axis1=1, axis2=2)).all()


VECTOR = st.tuples(*[st.floats(-2.0, 2.0)] * 3)


@settings(max_examples=60)
@given(mean=VECTOR, sides=VECTOR, turn=VECTOR, times=st.floats(0.5, 4.0))
def test_farthest_is_the_farthest_point_of_the_ellipsoid(mean, sides, turn, times):
    root = Rotation.from_rotvec(turn).as_matrix() * sides
    on = np.random.default_rng(1).normal(size=(4000, 3))
    on /= np.linalg.norm(on, axis=1, keepdims=True)
    most = np.linalg.norm(np.array(mean) + times * on @ root.T, axis=1).max()
    far = float(farthest(np.array(mean), root @ root.T, times))
    assert most <= far + 1e-9
    assert far <= 1.02 * most + 1e-6


@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.full((4, 3), np.nan), np.outer(np.arange(4.0), [1, 1, 0])])
def test_markers_that_give_no_pose_are_refused(points):
    with pytest.raises(InputError):
        Markers(points, PLATE)
