"""Breathing, a shift, a cough."""

import numpy as np
import pytest
from pydantic import ValidationError

from hardware_sim.patient_motion import PatientMotion, PatientMotionConfig

STEP_S = 0.025
TIMES = np.arange(0, 24, STEP_S)


def heights(config: PatientMotionConfig, seed: int = 0) -> np.ndarray:
    motion = PatientMotion(config, seed)
    return np.array([motion.displacement(t).translation_mm for t in TIMES])


def test_regular_breathing_is_a_sine_of_the_asked_height_and_rate() -> None:
    way = heights(PatientMotionConfig(breathing_spread=0.0))
    reach = np.linalg.norm(way, axis=1)
    assert reach.max() == pytest.approx(5.0, abs=0.01)
    assert reach.min() == pytest.approx(0.0, abs=0.01)
    spectrum = np.abs(np.fft.rfft(reach - reach.mean()))
    assert np.fft.rfftfreq(len(TIMES), STEP_S)[spectrum.argmax()] == pytest.approx(0.25, abs=0.02)


def test_the_same_seed_is_the_same_patient() -> None:
    config = PatientMotionConfig()
    np.testing.assert_array_equal(heights(config, 2), heights(config, 2))
    assert np.abs(heights(config, 2) - heights(config, 3)).max() > 0.1


def test_motion_has_no_jumps() -> None:
    way = heights(PatientMotionConfig(shift_s=10.0, cough_s=20.0))
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() / STEP_S < 150


def test_a_shift_stays_and_a_cough_passes() -> None:
    quiet = PatientMotionConfig(breathing_mm=0.0)
    shifted = heights(quiet.model_copy(update={"shift_s": 10.0}))
    np.testing.assert_allclose(shifted[-1], quiet.shift_mm, atol=1e-9)
    np.testing.assert_allclose(shifted[: int(10 / STEP_S)], 0.0, atol=1e-9)
    coughed = heights(quiet.model_copy(update={"cough_s": 10.0}))
    assert coughed[:, 2].max() == pytest.approx(8.0, abs=0.3)
    np.testing.assert_allclose(coughed[-1], 0.0, atol=1e-9)


def test_unlikely_configurations_are_refused() -> None:
    with pytest.raises(ValidationError):
        PatientMotionConfig(breathing_power=0)
    with pytest.raises(ValidationError):
        PatientMotionConfig(breathing_hz=0)
