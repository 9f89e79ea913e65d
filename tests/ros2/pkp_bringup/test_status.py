"""``./pkp status``: what it takes for running, and what it answers where nothing does."""

import json
import os

import pytest

from tests.ros2.running import need_ros, ros_node

pytestmark = pytest.mark.ros


def test_where_nothing_runs_json_is_an_object_too(tmp_path, monkeypatch, capsys):
    need_ros()
    from pkp_bringup.status import main

    monkeypatch.chdir(tmp_path)
    assert main(["--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["code"] == "nothing_runs"
    assert "no ./pkp up is running here" in said.err
    assert main([]) == 2
    assert capsys.readouterr().out == ""


def test_a_note_whose_number_is_somebody_elses_by_now_is_not_believed(tmp_path):
    need_ros()
    from pkp_bringup.status import NothingRunsError, running

    from planning_core.running import UP, began

    facts = {"pid": os.getpid(), "began": began(os.getpid()), "domain": "7", "nodes": []}
    (tmp_path / UP).write_text(json.dumps(facts))
    assert running(tmp_path) == facts
    for stale in ({**facts, "began": "before the power cut 1"}, {**facts, "began": None}):
        (tmp_path / UP).write_text(json.dumps(stale))
        with pytest.raises(NothingRunsError):
            running(tmp_path)
    (tmp_path / UP).write_bytes(b"")
    with pytest.raises(NothingRunsError):
        running(tmp_path)


def test_a_room_notes_itself_as_one_that_runs(tmp_path):
    with ros_node() as (node, environment):
        from pkp_bringup.nodes import bring_up
        from pkp_bringup.room import Room
        from pkp_bringup.status import running

        from planning_core.running import still_runs

        specs = tuple(s for s in bring_up("sim", tmp_path) if s.name == "recorder")
        room = Room(specs, tmp_path, node, environment, lambda words: None)
        try:
            room.start()
            (noted,) = running(tmp_path)["nodes"]
            assert (noted["name"], still_runs(noted)) == ("recorder", True)
        finally:
            room.end()
        assert not still_runs(noted)
