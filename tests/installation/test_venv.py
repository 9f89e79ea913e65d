import ast
import sys

import pytest

from installation import venv
from installation.system import ROOT

ROOM = {"pinocchio", "coal", "pymodbus", "serial", "ruckig", "xacro"}
"""Modules of the packages that only arm, tracker and injector need."""


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Groups in the order in which they were installed into an environment that is otherwise ready."""
    groups = []
    monkeypatch.setattr(venv, "VENV", tmp_path)
    monkeypatch.setattr(venv, "prepare", lambda: tmp_path / "bin/python")
    monkeypatch.setattr(venv, "install", lambda *names: groups.extend(names))
    return groups


def test_the_room_is_installed_once(installed):
    assert venv.prepare_room() == venv.prepare_room()
    assert installed == ["room"]


def test_other_pins_install_the_room_again(installed, monkeypatch):
    venv.prepare_room()
    monkeypatch.setattr(venv, "fingerprint", lambda: "other")
    venv.prepare_room()
    assert installed == ["room", "room"]


def test_an_installation_that_failed_is_not_marked(installed, monkeypatch):
    monkeypatch.setattr(venv, "install", lambda *names: sys.exit(65))
    with pytest.raises(SystemExit):
        venv.prepare_room()
    assert not (venv.VENV / venv.ROOM_MARKER).exists()


@pytest.mark.parametrize("package", ["planning_core", "hardware_sim"])
def test_what_planning_users_run_imports_nothing_of_the_room(package):
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & ROOM, path
