"""Console and scripted room, each in a process of its own, in a domain of their own."""

import re
import shutil
from contextlib import contextmanager

import attrs

from benchmarks.page import child, with_pins
from tests.ros2.pkp_console.browser import with_path
from tests.ros2.running import ROOT, ros_node


@attrs.frozen
class Played:
    """Where the page is, and the processes behind it."""

    address: str
    console: object
    room: object


@contextmanager
def played(folder, case, phase=""):
    """A room that is played by a script, from a phase on; operators ``operator`` and ``second``."""
    cases = folder / "cases"
    case = shutil.copytree(case, cases / case.name)
    with_pins(cases, "operator", "operator", "second")
    with ros_node("looking_on") as (_, extra):
        environment = with_path(extra, ROOT)
        console = ("pkp_console.command", "--ros", "--port", "0", "--cases", str(cases), "--runs", str(folder / "runs"))
        script = ("benchmarks.scripted_room", "--case", str(case), "--phase", phase)
        with (
            child(*script, environment=environment, awaits="ready") as (room, _),
            child(*console, environment=environment, awaits="http://") as (server, line),
        ):
            yield Played(re.search(r"http://\S+", line)[0], server, room)
