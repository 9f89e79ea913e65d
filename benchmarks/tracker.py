"""The tracker driver reading the simulated camera over its line: rate, latency, stamps, static noise."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.cases import ROOT
from hardware_sim.tracker.channels import TruthChannel
from hardware_sim.tracker.scene import SCENES, still

sys.path.insert(0, str(ROOT / "ros2_ws/src/pkp_navigation"))

from pkp_navigation.ndi_tracker import NdiTracker
from pkp_navigation.tool_pose import TrackerReading
from pkp_navigation.tracker_config import ToolConfig, TrackerConfig


def main() -> int:
    """Print one line per figure, or one JSON object."""
    parser = argparse.ArgumentParser(prog="pkp bench tracker")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--scene", choices=sorted(SCENES), default="still")
    parser.add_argument("--camera", choices=("spectra", "vega"), default="spectra")
    parser.add_argument("--baud", type=int, default=921600)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trk") as folder:
        link, truth = Path(folder) / "line", Path(folder) / "truth"
        words = ["--link", link, "--truth", truth, "--seed", given.seed, "--scene", given.scene, "--camera", given.camera]
        command = [sys.executable, "-m", "hardware_sim.tracker", *map(str, words)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                figures = measure(link, truth, given.seconds, given.baud)
            finally:
                process.terminate()
    figures["load_average"] = os.getloadavg()[0]
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:42} {value:.4g}" if isinstance(value, float) else f"{name:42} {value}")
    return 0


def measure(link: Path, truth_path: Path, seconds: float, baud: int) -> dict[str, object]:
    """Read for so long and compare with the truth."""
    tools = tuple(ToolConfig(name=tool.name, markers_mm=tool.markers_mm.tolist()) for tool in still().tools.values())
    driver = NdiTracker(TrackerConfig.model_validate({"port": str(link), "tools": tools, "baud": baud}))
    stop = threading.Event()
    taken: list[tuple[TrackerReading, float]] = []
    truth: dict[int, dict[str, object]] = {}
    began, used = time.monotonic(), time.process_time()
    with TruthChannel(truth_path) as channel:
        for reading in driver.readings(stop):
            taken.append((reading, time.monotonic()))
            truth |= {record["frame_number"]: record for record in channel.pending()}
            if taken[-1][1] - taken[0][1] > seconds:
                stop.set()
    frames = [(reading, at) for reading, at in taken if reading.frame_number is not None]
    known = [(reading, at, truth[reading.frame_number]) for reading, at in frames if reading.frame_number in truth]
    camera_ms = [1e3 * (record["ready_monotonic_s"] - record["acquired_monotonic_s"]) for _, _, record in known]
    latency_ms = [1e3 * (at - record["acquired_monotonic_s"]) for _, at, record in known]
    stamp_ms = [1e3 * (reading.acquired_monotonic_s - record["acquired_monotonic_s"]) for reading, _, record in known]
    figures: dict[str, object] = {
        "connected after s": taken[0][1] - began,
        "frames per s": (len(frames) - 1) / (frames[-1][1] - frames[0][1]),
        "frames skipped": driver.counters.frames_skipped,
        "of which the camera itself, median ms": float(np.median(camera_ms)),
        "exposure to ToolPose, median ms": float(np.median(latency_ms)),
        "exposure to ToolPose, p99 ms": float(np.percentile(latency_ms, 99)),
        "stamp error, mean ms": float(np.mean(stamp_ms)),
        "stamp error, sd ms": float(np.std(stamp_ms)),
        "driver's share of one core": (time.process_time() - used) / (taken[-1][1] - began),
        "poses refused": sum(pose.T_tracker_tool is None for reading, _ in frames for pose in reading.poses),
    }
    for tool in tools:
        errors = np.array(
            [
                pose.T_tracker_tool.translation_mm - np.array(record["poses"][tool.name])[:3, 3]
                for reading, _, record in known
                if (pose := reading[tool.name]).T_tracker_tool is not None
            ]
        )
        figures[f"{tool.name}: noise x, y, z (sd) mm"] = " ".join(f"{value:.3f}" for value in errors.std(axis=0))
        figures[f"{tool.name}: systematic error mm"] = float(np.linalg.norm(errors.mean(axis=0)))
    return figures


if __name__ == "__main__":
    raise SystemExit(main())
