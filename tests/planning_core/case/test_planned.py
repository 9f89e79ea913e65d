import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.case.folder import Case
from planning_core.case.planned import CaseWithoutVertebraError, planned_bone, planned_vertebra


def test_the_vertebra_is_rebuilt_from_what_the_case_keeps(folder, subject, plan):
    vertebra, segmentation = planned_bone(Case(folder), plan)
    assert vertebra.level is VertebraLevel.L1
    assert vertebra.ct_lps_from_vertebra.matrix == pytest.approx(subject.vertebra.ct_lps_from_vertebra.matrix, abs=0.05)
    assert np.array_equal(segmentation.labels, subject.segmentation.labels)


def test_a_case_without_it_or_with_another_is_refused(folder, plan, tmp_path):
    with pytest.raises(CaseWithoutVertebraError, match="no segmentation of L1"):
        planned_vertebra(Case(tmp_path / "case"), plan)
    taller = plan.heights_mm.model_copy(update={"anterior": plan.heights_mm.anterior + 3.0})
    with pytest.raises(CaseWithoutVertebraError, match=r"[23]\.\d mm in height") as refused:
        planned_vertebra(Case(folder), plan.model_copy(update={"heights_mm": taller}))
    assert refused.value.level == "L1"
