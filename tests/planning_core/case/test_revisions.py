import errno
import json
from pathlib import Path

import pytest

from planning_core.case import audit
from planning_core.case.contents import fill
from planning_core.case.folder import Case
from planning_core.case.plan import TamperedPlanError, content_sha256
from planning_core.case.revisions import NoPlanError, keep, keep_newest, kept, line_of, newest, open_plan, revision_path
from planning_core.case.sealed import OtherSchemaError, UnreadablePlanError


def another(plan):
    return plan.model_copy(update={"recommended_ml": plan.recommended_ml + 1}).sealed()


def stored(tmp_path, *plans):
    case = Case(tmp_path)
    for plan in plans:
        keep(case, plan)
        case.write("plan.json", plan.to_json().encode())
    return case


def test_a_new_plan_leaves_the_one_before_it(plan, tmp_path):
    stored(tmp_path, plan, another(plan))
    assert open_plan(tmp_path).plan_hash == another(plan).plan_hash
    assert open_plan(tmp_path, plan.plan_hash) == plan


def test_a_filled_case_holds_its_plan_as_a_revision(plan, folder):
    assert revision_path(folder, plan.plan_hash).read_bytes() == (folder / "plan.json").read_bytes()


def test_a_case_of_before_revisions_still_opens(plan, tmp_path):
    Case(tmp_path).write("plan.json", plan.to_json().encode())
    assert open_plan(tmp_path, plan.plan_hash) == plan


def test_an_edited_revision_is_refused_and_nothing_is_replaced(planned, tmp_path):
    subject, plan = planned
    case = stored(tmp_path, plan)
    place = revision_path(tmp_path, plan.plan_hash)
    place.write_bytes(place.read_bytes().replace(b'"accept"', b'"review"').replace(b'"seed"', b'"seed" '))
    before = (tmp_path / "plan.json").read_bytes()
    with pytest.raises(TamperedPlanError):
        fill(case, subject, plan)
    assert (tmp_path / "plan.json").read_bytes() == before


def test_an_edited_plan_is_not_opened(plan, tmp_path):
    wrong = plan.model_copy(update={"recommended_ml": 9.0})
    Case(tmp_path).write("plan.json", wrong.to_json().encode())
    with pytest.raises(TamperedPlanError):
        open_plan(tmp_path)


def test_a_case_of_an_earlier_schema_says_so_and_keeps_its_plan_when_it_is_planned_again(plan, tmp_path):
    earlier = {**plan.model_dump(mode="json", exclude={"plan_hash"}), "schema_version": 1}
    content = json.dumps({**earlier, "plan_hash": content_sha256(earlier)}).encode()
    case = Case(tmp_path)
    case.write("plan.json", content)
    with pytest.raises(OtherSchemaError, match="earlier version"):
        newest(tmp_path)
    keep_newest(case)
    stored(tmp_path, plan)
    assert kept(tmp_path) == [plan]
    assert revision_path(tmp_path, content_sha256(earlier)).read_bytes() == content


def test_what_is_no_plan_is_named(tmp_path):
    Case(tmp_path).write("plan.json", b"{}")
    with pytest.raises(UnreadablePlanError):
        open_plan(tmp_path)


@pytest.mark.parametrize("asked", ["", "a" * 64], ids=["the newest", "a revision"])
def test_a_case_that_the_disk_does_not_give_is_named_and_not_told(asked, plan, tmp_path, monkeypatch):
    with pytest.raises(UnreadablePlanError) as caught:
        open_plan(Path("/tmp/" + "x" * 5000), asked)
    assert "xxx" not in caught.value.message
    stored(tmp_path, plan)

    def no_bytes(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(Path, "read_bytes", no_bytes)
    with pytest.raises(UnreadablePlanError, match="Input/output"):
        open_plan(tmp_path, asked and plan.plan_hash)


@pytest.mark.parametrize("asked", ["a" * 64, "../../etc/passwd", "A" * 64, "a" * 12])
def test_a_plan_that_is_not_there_is_not_looked_for_elsewhere(asked, plan, tmp_path):
    stored(tmp_path, plan)
    with pytest.raises(NoPlanError):
        open_plan(tmp_path, asked)


def test_a_case_folder_that_is_not_there_is_told_from_one_without_a_plan(tmp_path):
    with pytest.raises(NoPlanError, match="no such case folder"):
        open_plan(tmp_path / "nowhere")
    with pytest.raises(NoPlanError, match="holds no sealed plan"):
        open_plan(tmp_path)


def test_all_that_was_sealed_is_listed_and_what_was_altered_is_not(plan, tmp_path):
    assert kept(tmp_path) == []
    assert newest(tmp_path) is None
    stored(tmp_path, plan, another(plan))
    assert kept(tmp_path) == [another(plan), plan]
    assert newest(tmp_path) == another(plan)
    place = revision_path(tmp_path, plan.plan_hash)
    place.write_bytes(place.read_bytes().replace(b'"seed"', b'"seed" ', 1).replace(b'"accept"', b'"review"'))
    assert kept(tmp_path) == [another(plan)]


def test_a_line_is_a_plan_and_what_was_moved_of_it(tmp_path):
    for new, of in (("b", "a"), ("c", "b"), ("y", "x"), ("d", "a")):
        audit.record(tmp_path, "revised", plan_hash=new, of=of)
    audit.record(tmp_path, "planned", plan_hash="z", of="a")
    assert line_of(tmp_path, "a") == {"a", "b", "c", "d"}
    assert line_of(tmp_path, "y") == {"y"}
