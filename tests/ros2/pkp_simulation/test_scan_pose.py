"""The pose in which a room begins is one that the control side's own collision check accepts."""

import pytest
from pkp_control.collision import CollisionChecker
from pkp_control.kinematics import ArmKinematics, ArmModel

from hardware_sim.room import RoomSpec, scan_joints

FEW = 4


@pytest.mark.parametrize("arm", list(ArmModel))
@pytest.mark.parametrize("seeds", [range(FEW), pytest.param(range(FEW, 50), marks=pytest.mark.slow)], ids=["few", "many"])
def test_the_arm_begins_clear_of_everything(arm, seeds):
    checker = CollisionChecker(ArmKinematics.load(arm))
    for seed in seeds:
        joints = scan_joints(RoomSpec(seed=seed, arm=arm.value, epoch_s=0.0))
        assert checker.objection(joints) is None
        assert checker.arm.range.margin_rad(joints) > 0.1
