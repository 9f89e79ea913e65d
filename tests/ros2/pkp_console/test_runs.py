"""Recorded runs: list, files, report, and any moment of the record as a snapshot."""

import json
import shutil

import pytest

from tests.ros2.pkp_supervisor.test_course import run_folder as recorded_folder  # noqa: F401

pytestmark = pytest.mark.ros


@pytest.fixture
def run(console, recorded_folder):  # noqa: F811
    """A run of the console's, with an audit chain."""
    from planning_core.case import audit

    root = console.desk.config.runs
    root.mkdir()
    place = root / "2026-01-01_10-00-00"
    shutil.copytree(recorded_folder / "record", place / "record")
    shutil.copy(recorded_folder / audit.NAME, place)
    return place


def ready(console, run):
    """The record made ready in this process, as the worker would."""
    from pkp_console.runs import replay_run

    return replay_run(console.desk.runs.job(run.name), lambda stage: None)


def test_runs_are_listed_and_named_by_id(console, run):
    hand = console.hand("viewer")
    (line,) = hand.get("/runs").json()
    assert line["id"] == run.name
    assert not line["replay"]
    assert hand.get(f"/runs/{run.name}").json()["events"]
    for wrong in ("..", "%2e%2e", "none", ".console"):
        assert hand.get(f"/runs/{wrong}").status_code == 404
    assert hand.get(f"/runs/{run.name}/files/audit.jsonl").status_code == 200
    assert hand.get(f"/runs/{run.name}/files/up.json").status_code == 404
    assert hand.get(f"/runs/{run.name}/files/..%2faudit.jsonl").status_code == 404


def test_a_record_is_made_ready_before_it_is_shown(console, run):
    hand = console.hand("viewer")
    assert hand.get(f"/runs/{run.name}/at/1.0").json()["code"] == "not_planned_here"
    assert ready(console, run) == run.name
    assert hand.get("/runs").json()[0]["replay"]
    course = hand.get(f"/runs/{run.name}/course").json()
    assert course["seconds"] > 0
    assert course["stays"]
    assert hand.get(f"/runs/{run.name}/at/-1").status_code == 422
    assert hand.get(f"/runs/{run.name}/at/nan").status_code == 422


def test_a_moment_is_a_snapshot_of_what_was_heard_by_then(console, run):
    ready(console, run)
    hand = console.hand("viewer")
    course = hand.get(f"/runs/{run.name}/course").json()
    for stay in course["stays"]:
        middle = (stay["from"] + stay["until"]) / 2
        moment = hand.get(f"/runs/{run.name}/at/{middle}").json()
        assert moment["replay"] == middle
        assert moment["topics"]["phase"]["value"]["phase"] == stay["phase"]
        assert moment["topics"]["phase"]["age_ms"] >= 0
    assert "limits" in moment["topics"]


def test_another_record_under_the_same_name_is_read_anew(console, run):
    ready(console, run)
    (record,) = (run / "record").glob("*.mcap")
    record.write_bytes(record.read_bytes()[:-20])
    assert not console.hand("viewer").get("/runs").json()[0]["replay"]


def test_a_record_that_grows_while_it_is_read_is_shown_as_far_as_it_was_read(console, run):
    hand = console.hand("viewer")
    (record,) = (run / "record").glob("*.mcap")
    job = hand.post(f"/runs/{run.name}/replay").json()
    with record.open("ab") as growing:
        growing.write(b"more")
    now = hand.ended(job)
    assert now["state"] == "done", now["refusal"]
    assert hand.get(f"/runs/{run.name}/course").json()["stays"]
    assert not hand.get("/runs").json()[0]["replay"]  # looked at again, it is read anew


def test_a_broken_chain_is_listed_with_the_reason(console, run):
    from planning_core.case import audit

    (run / audit.NAME).write_text(json.dumps({"event": "x"}) + "\n")
    assert console.hand("viewer").get("/runs").json()[0]["audit_problem"]["code"] == "broken_audit"


def test_a_run_counts_as_running_only_while_its_own_process_does(console, run):
    import os

    from planning_core.running import UP, began

    hand = console.hand("viewer")
    facts = {"pid": os.getpid(), "began": began(os.getpid()), "domain": "7", "nodes": []}
    for since, running in ((facts["began"], True), ("before a power cut 1", False), (None, False)):
        (run / UP).write_text(json.dumps({**facts, "began": since}))
        assert hand.get("/runs").json()[0]["running"] is running


def test_a_damaged_line_of_a_run_takes_no_page_down(console, run):
    from planning_core.case import audit

    hand = console.hand("viewer")
    before = hand.get(f"/runs/{run.name}").json()["events"]
    with (run / audit.NAME).open("ab") as file:
        file.write(b"\xff\xfe\n[1]\n")
    assert hand.get("/runs").json()[0]["audit_problem"]["code"] == "broken_audit"
    assert hand.get(f"/runs/{run.name}").json()["events"] == before
