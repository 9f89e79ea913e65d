"""The wall clock of every process of a room, stepped at run time without touching the machine's."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

from rclpy.clock import Clock
from rclpy.duration import Duration

SOURCE = Path(__file__).with_name("clock_step.c")


class SteppedClock(Clock):
    """Clock of the test's own node, and of all processes that were started with ``environment``.

    Args:
        folder: for the library, built here, and the file that holds the step.
    """

    def __new__(cls, folder):
        return super().__new__(cls)

    def __init__(self, folder):
        super().__init__()
        library, file = folder / "clock_step.so", folder / "clock_step"
        compiler = shutil.which("cc") or shutil.which("gcc")
        self.here = compiler is not None
        self.environment, self._step = {}, None
        self.seconds = 0.0
        if self.here:
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
            file.write_bytes(bytes(8))
            with file.open("r+b") as shared:
                self._step = mmap.mmap(shared.fileno(), 8)
            self.environment = {"LD_PRELOAD": str(library), "OPENPKP_CLOCK_STEP": str(file)}

    def step(self, seconds):
        """Further by so much, for everybody at once."""
        self.seconds += seconds
        self._step[:] = struct.pack("<q", int(self.seconds * 1e9))

    def now(self):
        """As the others see it."""
        return super().now() + Duration(seconds=self.seconds)
