"""The free way and the straight way."""

import numpy as np
import pytest
from pkp_control.approach import ApproachConfig, LineRefusedError, NoApproachError, plan_approach
from pkp_control.branches import NoBranchError, UnreachableError
from pkp_control.collision import CollisionChecker, CollisionError
from pkp_control.kinematics import ArmModel
from pkp_control.limits import MotionLimits

from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import kinematics

ARM = kinematics(ArmModel.UR5)
CHECKER = CollisionChecker(ARM)
HOME = np.array([1.2, -1.6, 1.6, -1.6, -1.57, 0.0])
CONFIG = ApproachConfig()


def tip(x: float = 30.0, y: float = 20.0, z: float = 215.0, lean_deg: float = 15.0) -> RigidTransform:
    lean = np.deg2rad(lean_deg)
    axis = np.array([0.0, -np.sin(lean), -np.cos(lean)])
    side = np.array([1.0, 0.0, 0.0])
    world = RigidTransform.from_parts("world", "guide_tip", np.column_stack([side, np.cross(axis, side), axis]), [x, y, z])
    return ARM.world_from_base.inverse() @ world


def test_the_way_is_free_and_ends_straight_on_the_axis() -> None:
    plan = plan_approach(ARM, CHECKER, HOME, tip(), seed=1)
    np.testing.assert_array_equal(plan.waypoints[0], HOME)
    np.testing.assert_array_equal(plan.waypoints[-1], plan.line[0])
    for joints in plan.free_setpoints(ARM, MotionLimits())[::4]:
        assert CHECKER.clearance(joints).distance_mm > 0
    np.testing.assert_allclose(ARM.forward(plan.line[-1]).matrix, plan.tip.matrix, atol=1e-4)
    setpoints = plan.line_setpoints(MotionLimits(), CONFIG)
    places = np.array([ARM.forward(q).translation_mm for q in setpoints])
    axis = plan.tip.rotation[:, 2]
    along = (places - plan.tip.translation_mm) @ axis
    off = np.linalg.norm(places - plan.tip.translation_mm - np.outer(along, axis), axis=1)
    assert off.max() < 0.005
    assert along[0] == pytest.approx(-CONFIG.standoff_mm, abs=1e-3)
    assert (np.diff(along) > -1e-6).all()
    assert np.diff(along).max() / 0.008 <= CONFIG.line_mm_s * 1.001


def test_the_same_seed_gives_the_same_way() -> None:
    first, again = (plan_approach(ARM, CHECKER, HOME, tip(), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.waypoints, again.waypoints)
    np.testing.assert_array_equal(first.line, again.line)


def test_a_way_round_an_obstacle_is_found() -> None:
    """The patient's box stands where the arm would sweep straight through."""
    start = np.array([1.2, -1.6, 1.6, -1.6, -1.57, 0.0])
    straight = plan_approach(ARM, CHECKER, start, tip(z=330.0), seed=5).waypoints
    assert len(straight) == 2
    half = ARM.world_from_base.apply(ARM.forward(straight.mean(axis=0)).translation_mm)
    checker = CollisionChecker(ARM, world_from_patient=RigidTransform.from_parts("world", "patient", np.eye(3), half))
    assert not checker.free(straight.mean(axis=0))
    plan = plan_approach(ARM, checker, start, tip(z=330.0), seed=5)
    for joints in plan.free_setpoints(ARM, MotionLimits())[::4]:
        assert checker.clearance(joints).distance_mm > 0


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (tip(x=1500.0), UnreachableError),
        (tip(z=120.0), NoBranchError),  # inside the patient
    ],
)
def test_what_cannot_be_reached_is_refused_by_name(target: RigidTransform, error: type[PkpError]) -> None:
    with pytest.raises(error):
        plan_approach(ARM, CHECKER, HOME, target, seed=1)


def test_an_arm_that_already_touches_does_not_set_off() -> None:
    with pytest.raises(CollisionError):
        plan_approach(ARM, CHECKER, np.array([0, -1.0, 3.0, 0, 0, 0]), tip(), seed=1)


def test_giving_up_is_named() -> None:
    walled = CollisionChecker(ARM)
    home = walled.free
    walled.free = lambda joints: bool(np.abs(joints - HOME).max() < 0.2 and home(joints))  # type: ignore[method-assign]
    with pytest.raises(NoApproachError) as refusal:
        plan_approach(ARM, walled, HOME, tip(), seed=1, config=ApproachConfig(attempts=10, ways=2))
    assert refusal.value.tried == 2


def test_a_line_that_is_too_fast_for_a_joint_is_refused() -> None:
    plan = plan_approach(ARM, CHECKER, HOME, tip(), seed=1)
    with pytest.raises(LineRefusedError, match="rad/s"):
        plan.line_setpoints(MotionLimits(speed_rad_s=(0.002,) * 6), CONFIG)
