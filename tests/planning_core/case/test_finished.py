import shutil

import pytest

from planning_core.case.contents import fill
from planning_core.case.finished import NAME, finished_plan, is_marked, mark_finished
from planning_core.case.folder import Case


@pytest.fixture
def case(folder, tmp_path):
    """A finished case of one's own."""
    shutil.copytree(folder, tmp_path / "case")
    case = Case(tmp_path / "case")
    mark_finished(case, "key")
    return case


def test_a_finished_plan_is_found_by_its_key_alone(case, plan):
    assert finished_plan(case, "key") == plan
    assert is_marked(case, "key")
    assert finished_plan(case, "other") is None
    assert not is_marked(case, "other")


@pytest.mark.parametrize("name", ["plan.json", "report.html", "labels.nii.gz", "segmentation.dcm", "surfaces/L1_body.stl"])
@pytest.mark.parametrize("harm", ["altered", "missing"])
def test_one_file_altered_or_missing_and_the_plan_is_not_taken(case, name, harm):
    place = case.path / name
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.unlink()
    if harm == "altered":
        place.write_bytes(content)
    assert finished_plan(case, "key") is None


def test_what_is_measured_of_a_plan_later_leaves_it_finished(case, plan):
    case.write("confirmation/confirmation.json", b"{}")
    assert finished_plan(case, "key") == plan


def test_a_file_too_many_is_seen(case):
    (case.path / "surfaces/other.stl").write_bytes(b"solid")
    assert finished_plan(case, "key") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": "key"}', '{"key": "key", "files": {}}', "\udce9"])
def test_a_broken_mark_counts_as_none(case, content):
    (case.path / NAME).write_text(content, errors="surrogateescape")
    assert finished_plan(case, "key") is None


def test_a_plan_sealed_wrongly_is_not_taken_even_with_the_right_sums(case, plan):
    edited = plan.model_copy(update={"recommended_ml": 9.9})
    (case.path / "plan.json").write_text(edited.to_json())
    mark_finished(case, "key")
    assert finished_plan(case, "key") is None


def test_what_a_new_plan_begins_to_replace_is_no_longer_finished(case, planned):
    case.withdraw()
    assert finished_plan(case, "key") is None
    fill(case, *planned)
    assert finished_plan(case, "key") is not None
