"""Which bring-up still runs: its number alone is not believed."""

import json
import os
import subprocess
import sys

import pytest

from planning_core.running import BOOT, UP, began, running_note, still_runs


@pytest.fixture
def proc(tmp_path):
    """A machine's processes as files: machine(pid, started, state, boot)."""

    def machine(pid, started, state="S", boot="boot-1"):
        place = tmp_path / "proc"
        (place / str(pid)).mkdir(parents=True, exist_ok=True)
        words = [str(pid), "(a) name (of it)", state, *("0" for _ in range(18)), str(started), "0"]
        (place / str(pid) / "stat").write_text(" ".join(words) + "\n")
        (place / BOOT).parent.mkdir(parents=True, exist_ok=True)
        (place / BOOT).write_text(f"{boot}\n")
        return place

    return machine


def noted(folder, place, pid=12):
    folder.mkdir(exist_ok=True)
    facts = {"pid": pid, "began": began(pid, place), "domain": "7", "nodes": []}
    (folder / UP).write_text(json.dumps(facts))
    return folder


def test_the_process_that_wrote_the_note_is_believed(tmp_path, proc):
    place = proc(12, 5000)
    assert running_note(noted(tmp_path / "run", place), place)["domain"] == "7"


@pytest.mark.parametrize(
    "later",
    [{"started": 900_000}, {"started": 5000, "boot": "boot-2"}, {"started": 5000, "state": "Z"}],
    ids=["another process has the number", "the machine was started again", "it has ended and nobody asked for its status"],
)
def test_another_process_of_the_same_number_is_not(tmp_path, proc, later):
    folder = noted(tmp_path / "run", proc(12, 5000))
    assert running_note(folder, proc(12, **later)) is None


def test_no_process_of_the_number_is_none(tmp_path, proc):
    place = proc(12, 5000)
    assert began(13, place) is None
    assert not still_runs({"pid": 13, "began": None}, place)
    assert not still_runs({"pid": 12}, place)  # noted by a version that did not say when
    assert not still_runs({"pid": "12", "began": began(12, place)}, place)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"pid": ', b'{"pid": 1}'])
def test_a_note_that_was_cut_off_is_none(tmp_path, content):
    (tmp_path / UP).write_bytes(content)
    assert running_note(tmp_path) is None
    assert running_note(tmp_path / "none") is None


def test_processes_of_this_machine_are_told_apart():
    mine = began(os.getpid())
    assert mine is not None
    assert began(os.getpid()) == mine
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        theirs = began(other.pid)
        assert theirs not in (None, mine)
        other.communicate(b"\n")
    assert began(other.pid) != theirs
