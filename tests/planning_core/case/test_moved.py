import pytest

from planning_core.case.folder import Case
from planning_core.case.moved import NoSuchPathError, UnsafePathError, path_of, revised
from planning_core.case.revisions import keep, open_plan
from planning_core.trajectory.moved import MovedPath


@pytest.fixture
def moved(subject):
    """Another of the level's paths stands for a moved one."""
    return MovedPath(subject.trajectories.paths[1], ())


def test_a_moved_path_makes_a_plan_of_its_own_and_the_sealed_one_stays(plan, moved, tmp_path):
    case = Case(tmp_path / "case")
    case.write("plan.json", plan.to_json().encode())
    before = (case.path / "plan.json").read_bytes()
    path = plan.paths[0]
    new = revised(plan, path.side, path.kind, moved)
    new.verify()
    assert new.plan_hash != plan.plan_hash
    assert plan.plan_hash[:12] in new.warnings[-1]
    keep(case, new)
    assert open_plan(case.path, new.plan_hash) == new
    assert open_plan(case.path, plan.plan_hash) == plan
    assert (case.path / "plan.json").read_bytes() == before


def test_a_path_that_breaks_a_limit_is_never_kept(plan, subject):
    path = plan.paths[0]
    with pytest.raises(UnsafePathError) as refused:
        revised(plan, path.side, path.kind, MovedPath(subject.trajectories.paths[0], ("too near",)))
    assert refused.value.objections == ["too near"]
    with pytest.raises(UnsafePathError):
        revised(plan, path.side, path.kind, MovedPath(None, ()))


def test_a_path_that_is_not_there_is_refused_by_name(plan):
    with pytest.raises(NoSuchPathError) as refused:
        path_of(plan, "left", "sideways")
    assert refused.value.paths
