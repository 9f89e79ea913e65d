"""The description's forward kinematics and Newton's inverse."""

import numpy as np
import pytest
from pkp_control.kinematics import JOINT_NAMES, PLATE, ArmKinematics, ArmModel, InvalidJointsError, InverseNotFoundError

from hardware_sim.arm import TrueGeometry
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import kinematics

SOMEWHERE = np.array([0.4, -1.2, 1.4, -1.5, -1.3, 0.2])


@pytest.mark.parametrize("model", ArmModel)
def test_the_description_agrees_with_the_simulators_own_arithmetic(model: ArmModel) -> None:
    arm, paper = kinematics(model), TrueGeometry.nominal(model.value)
    for joints in np.random.default_rng(0).uniform(-3, 3, (20, 6)):
        np.testing.assert_allclose(arm.forward(joints).matrix, paper.tip(joints).matrix, atol=1e-9)
        np.testing.assert_allclose(arm.forward(joints, PLATE).matrix, paper.marker_plate(joints).matrix, atol=1e-9)


def test_zero_joints_stretch_the_arm_as_the_controller_shows_it() -> None:
    """UR5's controller shows (-817.25, -191.45, -5.49) mm at zero joints."""
    arm = kinematics(ArmModel.UR5)
    flange = arm.forward(np.zeros(6)) @ arm.flange_from("guide_tip").inverse()
    np.testing.assert_allclose(flange.translation_mm, [-817.25, -191.45, -5.491], atol=1e-3)


def test_the_inverse_finds_the_joints_next_to_the_seed() -> None:
    arm = kinematics(ArmModel.UR5)
    found = arm.inverse_near(arm.forward(SOMEWHERE), SOMEWHERE + 0.05)
    np.testing.assert_allclose(found, SOMEWHERE, atol=1e-7)


def test_a_calibrated_arm_is_inverted_by_its_own_geometry() -> None:
    screws = np.random.default_rng(1).normal(size=(6, 6)) * [0.4, 0.4, 0.4, 0.001, 0.001, 0.001]
    calibrated = ArmKinematics.load(ArmModel.UR5, screws)
    tip = kinematics(ArmModel.UR5).forward(SOMEWHERE)
    assert np.linalg.norm(calibrated.forward(SOMEWHERE).translation_mm - tip.translation_mm) > 0.1
    found = calibrated.inverse_near(tip, SOMEWHERE)
    np.testing.assert_allclose(calibrated.forward(found).matrix, tip.matrix, atol=1e-4)


def test_the_jacobian_is_the_derivative_in_the_tips_axes() -> None:
    arm, step = kinematics(ArmModel.UR10E), 1e-6
    here = arm.forward(SOMEWHERE)
    for joint in range(6):
        moved = arm.forward(SOMEWHERE + step * np.eye(6)[joint])
        np.testing.assert_allclose(
            here.rotation.T @ (moved.translation_mm - here.translation_mm) / step, arm.jacobian(SOMEWHERE)[:3, joint], atol=1e-2
        )


def test_out_of_reach_is_named_with_what_is_left() -> None:
    arm = kinematics(ArmModel.UR5)
    far = RigidTransform.from_parts("robot_base", "guide_tip", np.eye(3), [2000.0, 0, 0])
    with pytest.raises(InverseNotFoundError) as refusal:
        arm.inverse_near(far, SOMEWHERE)
    assert refusal.value.residual_mm > 500


@pytest.mark.parametrize("joints", [[0.0] * 5, [0, 0, np.nan, 0, 0, 0], [0, 0, np.inf, 0, 0, 0], [[0.0] * 6]])
def test_joints_that_are_not_six_finite_numbers_are_refused(joints: list[float]) -> None:
    with pytest.raises(InvalidJointsError):
        kinematics(ArmModel.UR5).forward(joints)


def test_a_target_in_another_frame_is_refused() -> None:
    with pytest.raises(InputError, match="robot_base_guide_tip"):
        kinematics(ArmModel.UR5).inverse_near(RigidTransform("world", "guide_tip", np.eye(4)), SOMEWHERE)


def test_the_description_names_the_vendor_drivers_joints_and_limits() -> None:
    arm = kinematics(ArmModel.UR10E)
    assert tuple(arm.model.names)[1:] == JOINT_NAMES
    np.testing.assert_allclose(np.rad2deg(arm.range.speed), [120, 120, 180, 180, 180, 180])
    np.testing.assert_allclose(np.rad2deg(arm.range.upper), [360, 360, 180, 360, 360, 360])


def test_the_base_stands_where_it_is_put() -> None:
    arm = ArmKinematics.load(ArmModel.UR5, base_xyz="0.1 -0.5 0.2")
    np.testing.assert_allclose(arm.world_from_base.translation_mm, [100, -500, 200])
