"""What the workers write about a plan is written in the case's turn, and says which plan it was."""

import json
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from pkp_console import work, xray_work
from pkp_console.asked import Asked
from pkp_console.turn import in_turn
from pkp_console.work import PlanJob, plan_case
from pkp_console.xray_work import PICTURES, XrayPlanJob, pictures_of, plan_xrays

from planning_core.case import audit
from planning_core.case.folder import Case, CaseInUseError

HASH = "f" * 64


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path / "case-1")


@pytest.fixture
def alone(monkeypatch, case):
    """Fails where the chain, or a plan of before, is written by one who does not hold the case."""
    written = []

    def held(name, do):
        def checked(*given, **facts):
            with pytest.raises(CaseInUseError), case.writing():
                pass
            written.append(name)
            return do(*given, **facts)

        return checked

    spied = SimpleNamespace(record=held("record", audit.record))
    monkeypatch.setattr(work, "audit", spied)
    monkeypatch.setattr(xray_work, "audit", spied)
    monkeypatch.setattr(work, "keep_newest", held("keep_newest", work.keep_newest))
    return written


def planning(monkeypatch, place):
    """The walk as the worker sees it: it takes the case for itself and leaves a plan."""

    def run(request, open_case, *more):
        with open_case("a1" * 32).writing():
            return SimpleNamespace(plan=SimpleNamespace(plan_hash=HASH))

    monkeypatch.setattr(place, run)


def test_what_was_asked_is_kept_with_the_plan_that_came_of_it(monkeypatch, case, alone):
    planning(monkeypatch, "planning_core.pipeline.run")
    job = PlanJob(str(case.path), "ct.nii", None, "L1", (1.0, 2.0, 3.0), None, "planner")
    assert plan_case(job, lambda stage: None) == HASH
    assert Asked.of(case.path) == Asked("L1", (1.0, 2.0, 3.0), None, HASH)
    (line,) = audit.events(case.path)
    assert (line["event"], line["plan_hash"], line["by"]) == ("planned_by", HASH, "planner")
    assert alone == ["keep_newest", "record"]


def test_a_plan_on_x_rays_is_signed_in_the_cases_turn_too(monkeypatch, case, alone):
    planning(monkeypatch, "planning_core.xray.planning.plan_from_xrays")
    monkeypatch.setattr("planning_core.xray.request.XrayRequest.of", lambda *asked, **more: None)
    case.write(PICTURES, json.dumps({"pictures": [{"name": "a"}], "angle_deg": 90.0}).encode())
    assert plan_xrays(XrayPlanJob(str(case.path), "L1", (), "planner"), lambda stage: None) == HASH
    assert audit.events(case.path)[-1]["by"] == "planner"
    assert alone == ["record"]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"pictures": [1]}'])
def test_a_damaged_list_of_pictures_is_refused_by_name(case, content):
    from pkp_console.refusals import NotPlannedHereError

    case.write(PICTURES, content)
    with pytest.raises(NotPlannedHereError):
        pictures_of(case)


def test_a_case_that_is_being_written_is_waited_for(case):
    other, waited = ExitStack(), []
    other.enter_context(case.writing())

    def pause(seconds):
        waited.append(seconds)
        other.close()

    with in_turn(case, pause=pause), pytest.raises(CaseInUseError), case.writing():
        pass
    assert len(waited) == 1
    with case.writing():
        pass


def test_a_case_that_stays_in_use_is_given_up(case):
    with case.writing(), pytest.raises(CaseInUseError), in_turn(case, within_s=0.0):
        pass
