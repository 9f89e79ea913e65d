import fcntl
import json
import os
from pathlib import Path

import pytest

from installation import ros


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No ROS sourced, none installed."""
    for name in (*ros.PATHS[:-1], *ros.NAMES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ros, "INSTALLED", tmp_path)
    return tmp_path


def distribution(folder, name):
    (folder / name / "share/rclpy").mkdir(parents=True)
    (folder / name / "setup.bash").write_text("")
    return folder / name


def test_without_ros_there_is_no_underlay(nowhere):
    distribution(nowhere, "humble")  # older than Jazzy
    assert ros.installed_ros() is None


def test_the_newest_installed_is_taken_and_a_sourced_one_before_it(nowhere, monkeypatch):
    jazzy, kilted = distribution(nowhere, "jazzy"), distribution(nowhere, "kilted")
    assert ros.installed_ros() == kilted
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/overlay{os.pathsep}{jazzy}")
    assert ros.installed_ros() == jazzy


def test_an_older_one_that_is_sourced_is_refused(nowhere, monkeypatch, capsys):
    monkeypatch.setenv("ROS_DISTRO", "humble")
    with pytest.raises(SystemExit):
        ros.installed_ros()
    assert "humble" in capsys.readouterr().err


def test_the_two_folders_of_the_builder_are_replaced(monkeypatch, tmp_path):
    facts = {"tag": "cp311", "version": "3.11", "include": "/here/include", "numpy": "/here/numpy"}
    monkeypatch.setattr(ros, "python_facts", lambda: facts)
    monkeypatch.setattr(ros, "VENV", tmp_path)
    file = tmp_path / "share/some_msgs/cmake/export.cmake"
    file.parent.mkdir(parents=True)
    there = "/opt/python/cp311-cp311"
    file.write_text(f"a;{there}/include/python3.11;{there}/lib/python3.11/site-packages/numpy/_core/include;b")
    assert ros.mend_cmake_files() == 1
    assert file.read_text() == "a;/here/include;/here/numpy;b"
    assert ros.mend_cmake_files() == 0


def test_the_workspace_comes_first_and_nothing_comes_twice(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"/mine{os.pathsep}/built")
    assert ros.joined({"PYTHONPATH": f"/built{os.pathsep}"})["PYTHONPATH"] == f"/built{os.pathsep}/mine"


def test_an_interface_changes_the_fingerprint_and_a_module_does_not(monkeypatch, tmp_path):
    monkeypatch.setattr(ros, "PACKAGES", (tmp_path,))
    monkeypatch.setattr(ros, "WHEELS_MARKER", tmp_path / "marker")
    (tmp_path / "marker").write_text("")
    for name in ("A.msg", "a.py"):
        (tmp_path / name).write_text("one")
    before = ros.fingerprint(None)
    (tmp_path / "a.py").write_text("two")
    assert ros.fingerprint(None) == before
    (tmp_path / "A.msg").write_text("two")
    assert ros.fingerprint(None) != before
    assert ros.fingerprint(Path("/opt/ros/jazzy")) != ros.fingerprint(None)


def test_a_built_workspace_is_not_built_again(monkeypatch, tmp_path):
    monkeypatch.setattr(ros, "BUILT", tmp_path / "built.json")
    monkeypatch.setattr(ros, "prepare_room", lambda: None)
    monkeypatch.setattr(ros, "installed_ros", lambda: None)
    monkeypatch.setattr(ros, "prepare_packages", lambda underlay: None)
    monkeypatch.setattr(ros, "fingerprint", lambda underlay: "same")
    monkeypatch.setattr(ros, "build", lambda underlay: pytest.fail("built again"))
    (tmp_path / "built.json").write_text(json.dumps({"fingerprint": "same", "environment": {"ROS_DISTRO": "jazzy"}}))
    assert ros.prepare_ros()["ROS_DISTRO"] == "jazzy"


def test_while_one_command_builds_no_other_can(monkeypatch, tmp_path):
    built = []

    def build(underlay):
        built.append(1)
        with ros.LOCK.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setattr(ros, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(ros, "BUILT", tmp_path / "built.json")
    for name, does in (
        ("prepare_room", lambda: None),
        ("installed_ros", lambda: None),
        ("prepare_packages", lambda underlay: None),
        ("fingerprint", lambda underlay: "f"),
        ("build", build),
        ("sourced", lambda underlay: {"A": "1"}),
        ("joined", lambda environment: environment),
    ):
        monkeypatch.setattr(ros, name, does)
    assert [ros.prepare_ros(), ros.prepare_ros()] == [{"A": "1"}] * 2
    assert built == [1]
