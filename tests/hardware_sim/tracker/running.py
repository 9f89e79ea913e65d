"""The simulated tracker as a process of its own, for tests that talk to it over its line."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from hardware_sim.tracker.channels import FaultChannel, TruthChannel


@attrs.frozen
class RunningTracker:
    link: Path
    control: Path
    truth: Path

    def fault(self, line: str) -> None:
        with FaultChannel(self.control) as channel:
            channel.send(line)

    def watch_truth(self) -> TruthChannel:
        return TruthChannel(self.truth)


@contextmanager
def running_tracker(*arguments: str) -> Iterator[RunningTracker]:
    # local sockets allow paths of 107 bytes only, pytest's own folders may be longer
    folder = Path(tempfile.mkdtemp(prefix="trk"))
    tracker = RunningTracker(folder / "line", folder / "control", folder / "truth")
    paths = ["--link", str(tracker.link), "--control", str(tracker.control), "--truth", str(tracker.truth)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hardware_sim.tracker", *paths, *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert json.loads(process.stdout.readline())["link"] == str(tracker.link)
        yield tracker
    finally:
        process.terminate()
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            shutil.rmtree(folder)
