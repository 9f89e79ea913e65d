"""Whole-process time and memory of ``./pkp plan`` on real patients.

Memory is the most that its two processes held at once; pages that a fork shares are counted twice.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cases import CTS, MASKS, ROOT, shared

RUNS = (
    ("verse012 CT, L1", "verse012", ["--level", "L1", "--at", "48,74,122"], False, "25 s"),
    ("verse012 CT with labels, L1", "verse012", ["--level", "L1"], True, "10 s"),
    ("thoracic_ct, T12", "thoracic_ct", ["--level", "T12", "--at=17,50,-254"], False, "60 s, 3 GB"),
    ("totalseg_ct, L2", "totalseg_ct", ["--level", "L2"], False, "-"),
)
EVERY_S = 0.05


def main() -> int:
    """Print wall seconds, processor seconds and peak memory of each run."""
    print(f"{'run':30s} {'status':>6s} {'wall s':>7s} {'cpu s':>7s} {'peak GB':>8s}  target")
    for name, patient, arguments, with_labels, target in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "planning_core",
                "plan",
                str(shared(CTS[patient])),
                *arguments,
                "--out",
                folder,
                "--json",
            ]
            if with_labels:
                command += ["--labels", str(shared(MASKS[patient]))]
            began = time.monotonic()
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            usage, peak = _watched(child)
            wall = time.monotonic() - began
            cpu = usage.ru_utime + usage.ru_stime
            print(f"{name:30s} {child.returncode:6d} {wall:7.1f} {cpu:7.1f} {peak / 1e9:8.2f}  {target}", flush=True)
    return 0


def _watched(child: subprocess.Popen[bytes]) -> tuple[resource.struct_rusage, int]:
    """Wait for a process; what it and its children used, and the most bytes that they held at once."""
    peak = 0
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return usage, peak
        peak = max(peak, sum(_held(one) for one in (child.pid, *_children(child.pid))))
        time.sleep(EVERY_S)


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:  # it ended meanwhile
        return []


def _held(pid: int) -> int:
    """Bytes of memory that a process holds."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:  # it ended meanwhile
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
