from types import SimpleNamespace

import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.naming import AmbiguousLevelError, Cues, OnlyCervicalError, name_instances, numbering
from planning_core.geometry import Grid

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


def instances(count, pitch_mm):
    """As far as naming looks at them: bodies one above the other, from head to foot."""
    grid, nothing = Grid((2, 2, 2), [1, 1, 1], [900, 900, 900]), np.zeros((2, 2, 2))
    return [SimpleNamespace(centre_lps_mm=np.array([0, 0, -n * pitch_mm]), grid=grid, this=nothing) for n in range(count)]


@pytest.mark.parametrize("ribs_whole", [True, False])
def test_a_neck_is_refused_by_name_and_not_offered_as_anything(ribs_whole):
    neck, cues = instances(3, 18.0), Cues(np.full(3, 18.0), np.full(3, 0.05), 0.0, ribs_whole)
    with pytest.raises(OnlyCervicalError, match="no vertebra from T1 to L6 in view") as refused:
        name_instances(neck, cues, None)
    assert (refused.value.found, refused.value.exit_status) == (3, 2)
    names, numbers = name_instances(neck, cues, (VertebraLevel.T1, np.array([0, 0, -36.0])))
    assert names == [None, None, VertebraLevel.T1]  # the operator's word stands
    assert numbers.source == "operator"


def test_what_may_be_thoracic_is_offered():
    cues = Cues(np.array([18.0, 18.0, 19.0, 21.0, 22.0]), np.full(5, np.nan), 0.0, False)
    with pytest.raises(AmbiguousLevelError) as offered:
        name_instances(instances(5, 20.0), cues, None)
    assert any("T1" in candidate["levels"] for candidate in offered.value.candidates)
    assert sum(candidate["probability"] for candidate in offered.value.candidates) <= 1.001
