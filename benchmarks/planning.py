"""Whole-process time and memory of ``./pkp plan`` on real patients."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.cases import CTS, MASKS, ROOT, shared

RUNS = (
    ("verse012 CT, L1", "verse012", ["--level", "L1", "--at", "48,74,122"], False, "25 s"),
    ("verse012 CT with labels, L1", "verse012", ["--level", "L1"], True, "10 s"),
    ("thoracic_ct, T12", "thoracic_ct", ["--level", "T12", "--at=17,50,-254"], False, "60 s, 3 GB"),
    ("totalseg_ct, L2", "totalseg_ct", ["--level", "L2"], False, "-"),
)


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
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            wall = time.monotonic() - began
            cpu = usage.ru_utime + usage.ru_stime
            print(f"{name:30s} {child.returncode:6d} {wall:7.1f} {cpu:7.1f} {usage.ru_maxrss / 1e6:8.2f}  {target}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
