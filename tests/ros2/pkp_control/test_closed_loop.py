"""Simulated arm, tracker noise and a breathing patient, on a simulated clock."""

import numpy as np
import pytest
from pkp_control.alignment import AlignmentState
from pkp_control.compensation import CompensationState

from hardware_sim.arm import ArmFault
from hardware_sim.patient_motion import PatientMotionConfig
from tests.ros2.pkp_control.procedure import Procedure, prepare

pytestmark = pytest.mark.slow  # seconds each


def positioned(seed: int, motion: PatientMotionConfig | None = None) -> Procedure:
    p = prepare(seed, standoff_mm=5.0, motion=motion)
    p.run(1.2)
    p.enable()
    p.run(0.5)
    p.compensator.advance(0.0)
    p.run(1.5)
    return p


def test_the_true_tip_comes_below_a_millimetre_and_is_verified() -> None:
    p = positioned(1)
    assert p.until_verified(5.0)
    errors = []
    for _ in range(60):
        p.step()
        errors.append(p.true_error())
    rms = np.sqrt(np.mean(np.square(errors), axis=0))
    assert (rms[:2] < 0.8).all(), rms
    assert rms[2] < 0.4


def test_a_protective_stop_stops_the_law_and_ends_the_verification() -> None:
    p = positioned(2)
    assert p.until_verified(5.0)
    p.arm.inject(ArmFault.PROTECTIVE_STOP)
    p.compensator.stop("arm: protective stop", p.now_s)
    p.run(0.15)
    resting = p.arm.joint_state().joints
    p.run(1.5)
    assert np.abs(p.arm.joint_state().joints - resting).max() < 1e-4
    assert p.compensator.state is CompensationState.PAUSED
    assert p.verification is not None
    assert p.verification.state is AlignmentState.NOT_VERIFIED


def test_a_controller_that_has_stopped_is_noticed_though_the_patient_hardly_moves() -> None:
    p = positioned(2, PatientMotionConfig(breathing_mm=1.2))
    p.arm.inject(ArmFault.PROTECTIVE_STOP)  # what the wire says of it: joints that stand
    p.run(4.0)
    assert p.compensator.state is CompensationState.FAULT
    assert "behind" in p.compensator.reason


def test_a_cough_pauses() -> None:
    p = positioned(3, PatientMotionConfig(cough_s=4.0, cough_mm=12.0))
    p.run(4.6 - p.now_s)
    assert p.compensator.state is CompensationState.PAUSED


@pytest.mark.parametrize("what", ["hidden", "calibration"])
def test_it_does_not_go_on_by_itself(what: str) -> None:
    p = positioned(4)
    if what == "hidden":
        p.visible = False
    else:
        p.arm.inject(ArmFault.WRONG_CALIBRATION, 0.03)
    p.run(0.2)
    assert p.compensator.state is not CompensationState.ENABLED
    p.visible = True
    resting = p.arm.joint_state().joints
    p.run(0.5)
    assert np.abs(p.arm.joint_state().joints - resting).max() < 1e-4
