"""All ways to a pose, and the choice of one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pkp_control.branches import BranchConfig, NoBranchError, UnreachableError, choose, solve_all, turned_about_axis
from pkp_control.kinematics import ArmKinematics, ArmModel

from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import kinematics

joint_angles = st.lists(st.floats(-3.1, 3.1), min_size=6, max_size=6).map(np.array)
SCREWS = np.random.default_rng(2).normal(size=(6, 6)) * [0.4, 0.4, 0.4, 0.001, 0.001, 0.001]
CALIBRATED = ArmKinematics.load(ArmModel.UR5E, SCREWS)
DOWN = RigidTransform.from_parts("robot_base", "guide_tip", np.diag([1.0, -1, -1]), [50.0, 420, 180])


@settings(deadline=None, max_examples=60)
@given(model=st.sampled_from(ArmModel), joints=joint_angles)
def test_every_branch_leads_to_the_pose_and_one_of_them_is_where_it_came_from(model: ArmModel, joints: np.ndarray) -> None:
    # at a singularity the joints are not determined by the pose
    assume(min(abs(np.sin(joints[2])), abs(np.sin(joints[4]))) > 1e-3)
    arm = kinematics(model)
    tip = arm.forward(joints)
    solutions = solve_all(arm, tip)
    for solution in solutions:
        np.testing.assert_allclose(arm.forward(solution.joints).matrix, tip.matrix, atol=1e-4)
    assume(solutions[0].shoulder_mm > 1)
    apart = [np.abs((s.joints - joints + np.pi) % (2 * np.pi) - np.pi).max() for s in solutions]
    assert min(apart) < 1e-5


@settings(deadline=None, max_examples=40)
@given(joints=joint_angles)
def test_branches_of_a_calibrated_arm_hold_on_its_own_geometry(joints: np.ndarray) -> None:
    tip = CALIBRATED.forward(joints)
    try:
        solutions = solve_all(CALIBRATED, tip)
    except UnreachableError:  # the nominal arm just does not stretch so far
        assume(False)
    for solution in solutions:
        np.testing.assert_allclose(CALIBRATED.forward(solution.joints).matrix, tip.matrix, atol=1e-4)


def test_a_roomy_pose_has_eight_different_ways() -> None:
    solutions = solve_all(kinematics(ArmModel.UR5), DOWN)
    assert len({s.branch for s in solutions}) == 8
    assert len({tuple(s.joints.round(3)) for s in solutions}) == 8


def test_whole_turns_are_chosen_near_the_arm_and_inside_its_range() -> None:
    arm = kinematics(ArmModel.UR5)
    near = np.array([5.5, -5.5, 0.0, 5.5, -5.5, 6.2])
    for solution in solve_all(arm, DOWN, near):
        assert solution.limit_rad >= 0
        assert (np.abs(solution.joints - near)[[0, 1, 3, 4, 5]] <= 2 * np.pi).all()


def test_out_of_reach_says_how_far() -> None:
    far = RigidTransform.from_parts("robot_base", "guide_tip", np.diag([1.0, -1, -1]), [1500.0, 0, 200])
    with pytest.raises(UnreachableError) as refusal:
        solve_all(kinematics(ArmModel.UR5), far)
    assert refusal.value.distance_mm > refusal.value.reach_mm > 800


def test_the_choice_moves_least_is_repeatable_and_keeps_its_margins() -> None:
    arm, config = kinematics(ArmModel.UR5), BranchConfig()
    home = np.array([-1.5, -1.6, 1.6, -1.6, -1.57, 0.0])
    first, again = (choose(arm, turned_about_axis(DOWN, 12), home) for _ in range(2))
    np.testing.assert_array_equal(first.solution.joints, again.solution.joints)
    assert first.solution.objection(config) is None
    assert "least travel" in first.reason
    single = choose(arm, [DOWN], home)
    assert np.abs(first.solution.joints - home).max() <= np.abs(single.solution.joints - home).max() + 1e-9


def test_each_refused_way_has_its_reason() -> None:
    with pytest.raises(NoBranchError) as refusal:
        choose(kinematics(ArmModel.UR5), [DOWN], np.zeros(6), lambda joints: "in the way")
    assert len(refusal.value.refused) == 8
    assert set(refusal.value.refused.values()) == {"in the way"}


def test_poses_next_to_a_singularity_are_refused_by_name() -> None:
    arm = kinematics(ArmModel.UR5)
    straight = arm.forward([0.3, -1.0, 1.2, -1.0, 0.01, 0.2])
    choice = choose(arm, [straight], np.zeros(6))
    assert any("wrist singularity" in reason for reason in choice.refused.values())
    assert choice.solution.wrist_rad >= BranchConfig().wrist_margin_rad


def test_turning_about_the_axis_keeps_tip_and_axis() -> None:
    for pose in turned_about_axis(DOWN, 7):
        np.testing.assert_allclose(pose.translation_mm, DOWN.translation_mm)
        np.testing.assert_allclose(pose.rotation[:, 2], DOWN.rotation[:, 2], atol=1e-12)
