"""The console's own libraries, and the environment it runs in: with ROS where a bring-up runs, else without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from installation.ros import prepare_ros
from installation.system import ROOT, apt_install, say
from installation.venv import VENV, fingerprint, install, prepare, prepare_room

MARKER = VENV / "openpkp-console"
PACKAGES = ROOT / "ros2_ws/src"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def prepare_console(words: list[str]) -> dict[str, str]:
    """Environment of the console, after installing what is missing.

    Args:
        words: of the command line; ``--ros`` asks for ROS even where nothing runs yet, ``--no-ros`` for none.
    """
    install_console()
    domain = None if "--no-ros" in words else running_domain()
    if domain is None and "--ros" not in words:
        if "--no-ros" not in words:
            words.append("--no-ros")
        environment = dict(os.environ)
    else:
        environment = prepare_ros()
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        if domain is not None:
            environment["ROS_DOMAIN_ID"] = str(domain)
    packages = [str(p) for p in sorted(PACKAGES.iterdir()) if (p / p.name).is_dir()]
    environment["PYTHONPATH"] = os.pathsep.join([*packages, environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return environment


def prepare_console_bench() -> dict[str, str]:
    """Environment of the console's benchmark: ROS, what the room needs, and a hand for the browser."""
    prepare_room()
    environment = prepare_console(["--ros"])
    install_console_test()
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "launch"), environment["PYTHONPATH"]])
    return environment


def install_console() -> None:
    """What is missing of the console's libraries."""
    prepare()
    wanted = fingerprint()
    if not MARKER.is_file() or MARKER.read_text() != wanted:
        say("first start of the console: installing its libraries")
        install("console")
        MARKER.write_text(wanted)


def install_console_test(browser: bool = True) -> None:
    """A hand for the browser and what makes requests up.

    Args:
        browser: the browser as well, where this is root on Debian.
    """
    marker, wanted = VENV / "openpkp-console-test", fingerprint()
    if not marker.is_file() or marker.read_text() != wanted:
        say("installing what the console's slow tests need (once)")
        install("console-test")
        marker.write_text(wanted)
    if browser and not any(map(shutil.which, BROWSERS)) and not apt_install("chromium"):
        say("without a browser: the tests of the page are skipped")


def running_domain() -> int | None:
    """The ROS domain of the newest ``./pkp up`` that still runs here."""
    from planning_core.running import UP, running_note

    for place in sorted(Path("runs").glob(f"*/{UP}"), reverse=True):
        noted = running_note(place.parent)
        if noted is not None and str(noted["domain"]).isdecimal():
            return int(noted["domain"])
    return None
