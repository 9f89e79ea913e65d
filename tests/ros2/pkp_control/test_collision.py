"""Arm against room and itself."""

import numpy as np
import pytest
from pkp_control.collision import CollisionChecker, CollisionError
from pkp_control.kinematics import ArmModel, InvalidJointsError

from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import kinematics

READY = np.array([-1.57, -1.9, 1.7, -1.4, -1.57, 0.0])
CHECKERS = {model: CollisionChecker(kinematics(model)) for model in ArmModel}


@pytest.mark.parametrize("model", ArmModel)
def test_a_sensible_pose_is_free(model: ArmModel) -> None:
    checker = CHECKERS[model]
    checker.require(READY)
    assert checker.free(READY)
    assert checker.objection(READY) is None


@pytest.mark.parametrize(
    ("joints", "one"),
    [
        ([1.57, 0.3, 0, 0, 0, 0], "cart"),  # the arm leans down behind the base
        ([-1.57, 0.0, 0, 0, 0, 0], "patient"),  # stretched level across the table
        ([0, -1.0, 3.0, 0, 0, 0], "upper_arm_link"),  # folded onto itself
    ],
)
def test_who_is_too_close_is_named(joints: list[float], one: str) -> None:
    with pytest.raises(CollisionError) as refusal:
        CHECKERS[ArmModel.UR5].require(np.array(joints))
    pairs = {refusal.value.first, refusal.value.second}
    assert refusal.value.distance_mm < refusal.value.wanted_mm
    assert one in pairs or one == "patient"


def test_the_quick_answer_is_the_full_answer() -> None:
    checker = CHECKERS[ArmModel.UR5E]
    for joints in np.random.default_rng(4).uniform(-3, 3, (200, 6)):
        found = checker.clearance(joints)
        if abs(found.spare_mm) > 0.01:
            assert checker.free(joints) == (found.spare_mm > 0)


def test_a_patient_elsewhere_is_another_room() -> None:
    arm = kinematics(ArmModel.UR5)
    at = arm.world_from_base.apply(arm.forward(READY).translation_mm)
    here = RigidTransform.from_parts("world", "patient", np.eye(3), at)
    moved = CollisionChecker(arm, world_from_patient=here)
    with pytest.raises(CollisionError, match="patient"):
        moved.require(READY)
    with pytest.raises(InputError):
        CollisionChecker(arm, world_from_patient=RigidTransform("robot_base", "patient", np.eye(4)))


def test_the_guide_may_come_near_the_patient_on_its_last_way_only() -> None:
    arm = kinematics(ArmModel.UR5)
    down = RigidTransform.from_parts("world", "guide_tip", np.diag([1.0, -1, -1]), [0.0, 0.0, 210.0])
    from pkp_control.branches import solve_all

    checker = CHECKERS[ArmModel.UR5]
    options = [s.joints for s in solve_all(arm, arm.world_from_base.inverse() @ down)]
    allowed = [q for q in options if checker.objection(q, near_patient=True) is None]
    assert allowed
    assert all("guide" in (checker.objection(q) or "") for q in allowed)


def test_not_a_number_is_refused() -> None:
    with pytest.raises(InvalidJointsError):
        CHECKERS[ArmModel.UR5].clearance([np.nan] * 6)
