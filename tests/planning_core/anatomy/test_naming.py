import numpy as np
import pytest

from planning_core.anatomy.naming import Cues, numbering

PITCH_T9_L3 = [27, 29, 30, 32, 35, 36, 37]
RIBS = [1.2, 1.1, 0.9, 0.7, 0.05, 0.05, 0.05]


def test_ribs_that_end_name_the_last_thoracic_vertebra():
    first, probability = numbering(Cues(np.array(PITCH_T9_L3, float), np.array(RIBS), 0.0, True))[0]
    assert first == 9
    assert probability > 0.8


def test_a_sacrum_below_makes_the_last_one_l5():
    ranked = numbering(Cues(np.array([34.0, 35, 36, 37, 37]), np.full(5, np.nan), 0.9, False))
    assert ranked[0][0] == 13


def test_without_landmarks_nothing_is_sure():
    ranked = numbering(Cues(np.array([30.0, 30, 30]), np.full(3, np.nan), 0.0, False))
    assert ranked[0][1] < 0.6
    assert sum(p for _, p in ranked) == pytest.approx(1)


def test_a_larger_patient_is_not_a_lower_level():
    small, large = (numbering(Cues(np.array(PITCH_T9_L3) * f, np.array(RIBS), 0.0, True))[0][0] for f in (0.92, 1.08))
    assert small == large
