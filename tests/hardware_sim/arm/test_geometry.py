"""The arm as built."""

import numpy as np
import pytest

from hardware_sim.arm import NOMINAL, ArmConfig, TrueGeometry

JOINTS = np.array([-1.57, -1.9, 1.7, -1.4, -1.57, 0.0])


@pytest.mark.parametrize("model", NOMINAL)
def test_an_arm_without_errors_is_the_paper_arm(model: str) -> None:
    perfect = ArmConfig(
        model=model, length_sd_mm=0, angle_sd_deg=0, tool_sd_mm=0, tool_sd_deg=0, mounting_sd_mm=0, mounting_sd_deg=0
    )
    np.testing.assert_allclose(TrueGeometry.seeded(perfect, 5).tip(JOINTS).matrix, TrueGeometry.nominal(model).tip(JOINTS).matrix)


def test_real_arms_err_by_millimetres_as_uncalibrated_arms_do() -> None:
    paper = TrueGeometry.nominal("ur5").tip(JOINTS).translation_mm
    errors = [np.linalg.norm(TrueGeometry.seeded(ArmConfig(), s).tip(JOINTS).translation_mm - paper) for s in range(100)]
    assert 0.8 < np.median(errors) < 3.0


def test_the_guide_is_nearly_where_its_calibration_says_relative_to_the_plate() -> None:
    arm = TrueGeometry.seeded(ArmConfig(), 1)
    paper = TrueGeometry.nominal("ur5")
    off = np.linalg.inv(arm.plate) @ arm.guide - np.linalg.inv(paper.plate) @ paper.guide
    assert np.linalg.norm(off[:3, 3]) < 0.5


def test_one_joints_zero_can_be_moved() -> None:
    arm = TrueGeometry.nominal("ur5")
    turned = JOINTS.copy()
    turned[1] += 0.01
    np.testing.assert_allclose(arm.offset(1, 0.01).tip(JOINTS).matrix, arm.tip(turned).matrix)
