import json

import pytest

from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.plan import TamperedPlanError
from planning_core.case.revision import (
    NoSuchPathError,
    NoSuchRevisionError,
    UnsafePathError,
    find_plan,
    keep,
    path_of,
    revised,
    stored_plan,
)
from planning_core.trajectory.moved import MovedPath


@pytest.fixture
def case(tmp_path, plan):
    case = Case(tmp_path / "case")
    case.write("plan.json", plan.to_json().encode())
    return case


@pytest.fixture
def moved(subject):
    """Another of the level's paths stands for a moved one."""
    return MovedPath(subject.trajectories.paths[1], ())


def test_a_revision_is_a_plan_of_its_own_and_the_sealed_one_stays(case, plan, moved):
    before = (case.path / "plan.json").read_bytes()
    path = plan.paths[0]
    new = revised(plan, path.side, path.kind, moved)
    new.verify()
    assert new.plan_hash != plan.plan_hash
    assert plan.plan_hash[:12] in new.warnings[-1]
    folder = keep(case, new, "revised", of=plan.plan_hash, by="somebody")
    assert stored_plan(folder) == new
    assert find_plan(case, new.plan_hash) == (new, folder)
    assert find_plan(case, plan.plan_hash) == (plan, case.path)
    assert (case.path / "plan.json").read_bytes() == before
    assert json.loads((case.path / audit.NAME).read_text())["of"] == plan.plan_hash


def test_a_path_that_breaks_a_limit_is_never_kept(plan, subject):
    path = plan.paths[0]
    with pytest.raises(UnsafePathError) as refused:
        revised(plan, path.side, path.kind, MovedPath(subject.trajectories.paths[0], ("too near",)))
    assert refused.value.objections == ["too near"]
    with pytest.raises(UnsafePathError):
        revised(plan, path.side, path.kind, MovedPath(None, ()))


def test_what_is_not_there_is_refused_by_name(case, plan):
    for wrong in ("", "..", "../" * 22, "a" * 64, plan.plan_hash[:-1], plan.plan_hash.upper()):
        with pytest.raises(NoSuchRevisionError):
            find_plan(case, wrong)
    with pytest.raises(NoSuchPathError) as refused:
        path_of(plan, "left", "sideways")
    assert refused.value.paths


def test_a_changed_revision_is_not_opened(case, plan, moved):
    new = revised(plan, plan.paths[0].side, plan.paths[0].kind, moved)
    place = keep(case, new, "revised") / "plan.json"
    place.write_text(place.read_text().replace('"verdict": "', '"verdict": "x'))
    with pytest.raises(TamperedPlanError):
        find_plan(case, new.plan_hash)
    place.write_text("{")
    with pytest.raises(TamperedPlanError):
        find_plan(case, new.plan_hash)
