"""However a run ends, the one who started it is answered in the form that was asked for."""

import errno
import json
import os

import pytest

from hardware_sim import demo
from hardware_sim.carm import shots
from planning_core import command
from planning_core.edge import UsageError, ended
from planning_core.errors import AmbiguousError, InputError, NoSafePlanError
from planning_core.xray import __main__ as calibrate


def answer(capsys, error, *words):
    def work(words):
        raise error

    status = ended(words, work)
    return status, capsys.readouterr()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InputError("no"), 2, "input"),
        (AmbiguousError("which?"), 3, "ambiguous"),
        (NoSafePlanError("none"), 4, "no_safe_plan"),
        (UsageError("what?"), 64, "usage"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/Doe^John/report.html"), 1, "file_system"),
        (OSError("of no number: a library's own"), 1, "internal"),
        (ZeroDivisionError(), 1, "internal"),
    ],
)
def test_each_end_has_its_status_and_its_name(capsys, error, status, code):
    found, said = answer(capsys, error, "--json")
    assert (found, json.loads(said.out)["code"]) == (status, code)
    assert f"pkp: {json.loads(said.out)['message']}" in said.err
    assert ("Traceback" in said.err) == (code == "internal")
    found, said = answer(capsys, error)
    assert (found, said.out) == (status, "")


def test_what_the_file_system_says_is_told_and_no_path_with_it(capsys):
    _, said = answer(capsys, PermissionError(errno.EROFS, "Read-only file system", "/data/Doe^John"), "--json")
    told = json.loads(said.out)
    assert (told["error"], told["reason"]) == ("FileSystemError", "EROFS")
    assert "Read-only file system" in told["message"]
    assert "Doe^John" not in said.out + said.err


def test_a_run_that_goes_well_keeps_its_own_status():
    assert ended([], lambda words: 4) == 4


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (command.main, ["plan", "--no-such-option"]),
        (command.main, ["plan", "ct.nii", "--xray", "a.dcm", "b.dcm"]),
        (shots.main, ["ct.nii"]),
        (shots.main, ["ct.nii", "--at", "0,0,0", "--seed", "x"]),
        (calibrate.main, []),
        (calibrate.main, ["a.dcm", "--frame", "first"]),
        (demo.main, ["--seed", "x"]),
    ],
)
def test_wrong_arguments_of_any_command_are_refused_alike(capsys, main, words):
    assert main([*words, "--json"]) == 64
    assert json.loads(capsys.readouterr().out)["code"] == "usage"
    assert main(words) == 64


@pytest.mark.parametrize(
    ("main", "within", "words"),
    [
        (command.main, (command, "_plan"), ["plan", "ct.nii"]),
        (shots.main, (shots, "_made"), ["ct.nii", "--at", "0,0,0"]),
        (calibrate.main, (calibrate, "_calibrated"), ["a.dcm"]),
        (demo.main, (demo, "generate"), []),
    ],
)
def test_a_ctrl_c_in_any_command_is_answered(capsys, monkeypatch, main, within, words):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(*within, interrupted)
    assert main([*words, "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["code"] == "interrupted"
