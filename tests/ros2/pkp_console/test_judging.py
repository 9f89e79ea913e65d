"""Which plans a case's judge speaks about: those that came of the numbering it stands on, and no others."""

import json
from types import SimpleNamespace

import pytest
from pkp_console import judging
from pkp_console.asked import Asked
from pkp_console.judging import Bench, Ground, Move
from pkp_console.refusals import NotPlannedHereError
from pkp_console.store import REQUEST

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Side
from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.inputs import CtChangedError
from planning_core.case.revisions import keep
from tests.ros2.small_plan import path, sealed_plan

P = (1.0, 2.0, 3.0)
ENTRY, TARGET = (-20.0, 60.0, 0.0), (-5.0, 15.0, 0.0)
LEFT = path("left", ENTRY, TARGET)


@pytest.fixture
def requests(monkeypatch):
    """What would be read and modelled is noted; what comes of it has its own tests."""
    noted = []

    def read(request):
        noted.append(request)
        return SimpleNamespace(sha256="a1" * 32), None

    monkeypatch.setattr(judging, "read", read)
    monkeypatch.setattr(judging, "segment", lambda request, ct, case: SimpleNamespace(levels=()))
    monkeypatch.setattr(judging, "model_spine", lambda *asked: None)
    monkeypatch.setattr(judging, "prepared", lambda *asked: (None, {Side.LEFT: None}))
    monkeypatch.setattr(judging, "judge_moved", lambda *asked: SimpleNamespace(trajectory=None, objections=("lung",)))
    return noted


@pytest.fixture
def case(tmp_path):
    made = Case(tmp_path / "case-1")
    made.claim("a1" * 32, None)
    return made


def sealed(case, plan):
    """As a planning leaves it: kept, and the case's newest."""
    keep(case, plan)
    case.write("plan.json", plan.to_json().encode())
    return plan


def planned(case, level, at=P):
    """Planned in the console."""
    plan = sealed(case, sealed_plan(LEFT, level=level))
    Asked(level, at, None, plan.plan_hash).keep(case)
    return plan


def bench(case):
    return Bench.of(Ground(str(case.path), str(case.path / "input/ct.nii"), None))


def move(plan):
    return Move(plan.plan_hash, "left", "transpedicular", ENTRY, TARGET)


def test_a_plan_is_judged_on_the_numbering_it_came_of(case, requests):
    plan = planned(case, "L1")
    found = bench(case)
    (asked,) = requests
    assert (asked.level, asked.at.tolist(), found.level) == (VertebraLevel.L1, list(P), VertebraLevel.L1)
    assert found.answer(move(plan))["objections"] == ["lung"]


def test_an_older_plan_that_is_opened_again_is_not_judged_on_the_newer_numbering(case, requests):
    older, newer = planned(case, "L1"), planned(case, "T12")  # the same point, named otherwise: "L1" would now be the one below
    standing = bench(case)
    case.write("plan.json", older.to_json().encode())
    with pytest.raises(NotPlannedHereError) as caught:
        bench(case)
    assert caught.value.missing == "request"
    assert len(requests) == 1
    with pytest.raises(NotPlannedHereError):
        standing.answer(move(older))
    assert standing.answer(move(newer))["objections"] == ["lung"]


def test_of_the_same_level_too_only_the_plan_that_came_of_the_request_is_judged(case, requests):
    older = planned(case, "L1")
    sealed(case, sealed_plan(LEFT, level="L1", recommended_ml=3.0))  # by the command line, into the same folder
    with pytest.raises(NotPlannedHereError):
        bench(case)
    newer = sealed_plan(LEFT, level="L1", recommended_ml=4.0)
    sealed(case, newer)
    Asked("L1", None, None, newer.plan_hash).keep(case)
    standing = bench(case)
    with pytest.raises(NotPlannedHereError):
        standing.answer(move(older))


def test_revisions_of_revisions_are_judged_like_the_plan_itself(case, requests):
    plan = planned(case, "L1")
    last = plan
    for ml in (3.0, 4.0):
        new = plan.model_copy(update={"recommended_ml": ml, "plan_hash": ""}).sealed()
        keep(case, new)
        audit.record(case.path, "revised", level="L1", plan_hash=new.plan_hash, of=last.plan_hash, by="planner")
        last = new
    assert bench(case).answer(move(last))["objections"] == ["lung"]
    case.write("plan.json", last.to_json().encode())
    assert bench(case).answer(move(plan))["objections"] == ["lung"]


def test_a_plan_made_on_foreign_labels_is_not_judged_without_them(case, requests):
    planned(case, "L1")
    plan = sealed(case, sealed_plan(LEFT, level="L1", labels_sha256="b2" * 32))
    with pytest.raises(NotPlannedHereError) as caught:
        bench(case)
    assert caught.value.missing == "labels"
    Asked("L1", P, None, plan.plan_hash).keep(case)
    with pytest.raises(NotPlannedHereError):
        bench(case)
    assert requests == []


@pytest.mark.parametrize(
    "kept",
    [
        None,
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        json.dumps({"level": "L1", "at": None, "product": None}).encode(),  # from before the plan was named
        json.dumps({"level": "L1", "at": [1, 2], "product": None, "plan_hash": "0" * 64}).encode(),
        json.dumps({"level": 1, "at": None, "product": None, "plan_hash": "0" * 64}).encode(),
    ],
)
def test_a_request_that_is_not_there_or_damaged_is_refused_by_name(case, requests, kept):
    planned(case, "L1")
    if kept is None:
        (case.path / REQUEST).unlink()
    else:
        case.write(REQUEST, kept)
    with pytest.raises(NotPlannedHereError) as caught:
        bench(case)
    assert caught.value.missing == "request"


def test_another_ct_at_the_same_place_is_not_modelled(case, requests):
    planned(case, "L1")
    case.write("inputs.json", json.dumps({"ct_sha256": "c3" * 32, "labels_sha256": None}).encode())
    with pytest.raises(CtChangedError):
        bench(case)
