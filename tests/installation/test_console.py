"""Which domain the console joins."""

import json
import os

import pytest

from installation.console import running_domain
from planning_core.running import UP, began


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(name, domain, since):
        place = tmp_path / "runs" / name
        place.mkdir(parents=True)
        (place / UP).write_text(json.dumps({"pid": os.getpid(), "began": since, "domain": domain, "nodes": []}))

    return run


def test_the_newest_room_that_runs_is_joined(runs):
    assert running_domain() is None
    runs("2026-01-01", "5", began(os.getpid()))
    runs("2026-01-02", "6", began(os.getpid()))
    assert running_domain() == 6


def test_a_note_that_a_power_cut_left_is_not_joined_though_its_number_is_somebodys(runs, tmp_path):
    runs("2026-01-01", "5", began(os.getpid()))
    runs("2026-01-02", "6", "another start of the machine 100")
    runs("2026-01-03", "7", None)
    runs("2026-01-04", "no number", began(os.getpid()))
    (tmp_path / "runs/2026-01-04b").mkdir()
    (tmp_path / "runs/2026-01-04b" / UP).write_bytes(b"")
    assert running_domain() == 5
