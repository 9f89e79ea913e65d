"""What the worker refuses before it reads a scan at all; its whole work is tested with the node."""

import pytest
from pkp_navigation.examine_scan import NoPlanningCtError, ScanJob, _planning_ct
from pkp_navigation.register_course import newest_change, read_plan

from planning_core.case.folder import Case
from planning_core.case.plan import TamperedPlanError
from planning_core.case.planned import CaseWithoutVertebraError, planned_vertebra
from planning_core.case.revisions import NoPlanError


def test_the_plan_is_read_only_when_it_is_the_one_that_is_meant_and_untouched(truth, tmp_path):
    plan = truth.plan
    with pytest.raises(NoPlanError):
        read_plan(str(tmp_path), plan.plan_hash)
    (tmp_path / "plan.json").write_text(plan.to_json())
    assert read_plan(str(tmp_path), plan.plan_hash) == plan
    with pytest.raises(NoPlanError):
        read_plan(str(tmp_path), "d" * 64)
    (tmp_path / "plan.json").write_text(plan.to_json().replace('"treat"', '"refuse"'))
    with pytest.raises(TamperedPlanError):
        read_plan(str(tmp_path), plan.plan_hash)


def test_the_vertebra_is_rebuilt_from_the_case_and_must_be_the_plans(truth, tmp_path):
    plan = truth.plan
    with pytest.raises(CaseWithoutVertebraError, match="no segmentation"):
        planned_vertebra(Case(tmp_path / "case"), plan)
    planned_vertebra(truth.case, plan)
    taller = plan.heights_mm.model_copy(update={"anterior": plan.heights_mm.anterior + 3.0})
    with pytest.raises(CaseWithoutVertebraError, match=r"3\.0 mm in height"):
        planned_vertebra(truth.case, plan.model_copy(update={"heights_mm": taller}))


def test_to_carry_a_plan_its_own_ct_is_needed(truth):
    plan = truth.plan
    for source, sha256 in (("", ""), ("/else.nii.gz", "e" * 64)):
        with pytest.raises(NoPlanningCtError) as caught:
            _planning_ct(ScanJob("/scan", "", "/case", plan, source, sha256))
        assert caught.value.needed == plan.ct_sha256


def test_a_scan_that_is_not_there_is_infinitely_old(tmp_path):
    assert newest_change(tmp_path / "none") == 0.0
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(b"")
    assert newest_change(tmp_path / "series") > 0.0
