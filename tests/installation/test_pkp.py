"""The one command: what it hands over to, and that a Ctrl-C leaves that the time to answer."""

import importlib.machinery
import importlib.util
import json
import os
import signal
import subprocess
import sys

import pytest

from installation.system import ROOT
from planning_core import __version__

SLOW = """
import json, sys, time
try:
    print("at work", file=sys.stderr, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)  # tidying up
    print(json.dumps({"code": "interrupted", "words": sys.argv[1:]}))
    raise SystemExit(130)
"""
PKP = """
import importlib.machinery, importlib.util, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have turned it off
loader = importlib.machinery.SourceFileLoader("pkp", sys.argv[1])
pkp = importlib.util.module_from_spec(importlib.util.spec_from_loader("pkp", loader))
loader.exec_module(pkp)
pkp.prepare = lambda: sys.executable
pkp.PLANNING_TOOLS["demo"] = "slow"
raise SystemExit(pkp.main(["demo", "--json"]))
"""


@pytest.fixture
def pkp():
    loader = importlib.machinery.SourceFileLoader("pkp", str(ROOT / "pkp"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pkp", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("command", ["plan", "demo", "drr", "calibrate", "confirm"])
def test_who_plans_takes_the_commands_place(pkp, monkeypatch, command):
    became = []
    monkeypatch.setattr(pkp, "prepare", lambda: "python")
    monkeypatch.setattr(pkp.os, "execvpe", lambda file, words, environment: became.append((words, environment)))
    pkp.main([command, "one", "--json"])
    ((words, environment),) = became
    assert words[:2] == ["python", "-m"]
    assert words[-2:] == ["one", "--json"]
    assert environment["PYTHONPATH"].startswith(str(ROOT))


def test_a_ctrl_c_leaves_it_the_time_to_answer(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    child = subprocess.Popen(
        [sys.executable, "-c", PKP, str(ROOT / "pkp")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, which gets the signal as it would from a terminal
    )
    with child:
        assert child.stderr.readline() == "at work\n"
        os.killpg(child.pid, signal.SIGINT)
        said, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert json.loads(said) == {"code": "interrupted", "words": ["--json"]}


def test_it_says_its_version():
    run = subprocess.run([sys.executable, str(ROOT / "pkp"), "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"openpkp {__version__}\n"
