"""The arm: inverse kinematics, true tip error after closed-loop correction, lag behind breathing, false verifications.

    python -m benchmarks.arm [--seeds 100] [--first 0] [--model ur5] [--workers 2] [--only ik,closed,lag,false]

True errors are the simulator's: the guide where it is against the plan on the patient where it is, both moving. They hold the
arm's own errors, backlash, the tracker's noise (0.25 mm RMS in 3D a marker, deeper along the view, 0.10 mm of it constant for the
session), its latency (14.2 ± 1.8 ms), the guide's calibration (0.05 mm, 0.02° a axis) and breathing (5 mm, 0.25 Hz). They do
not hold registration or planning.

Must reach: median 0.5 mm and 95 % 0.8 mm at entry and target; lag to 5 mm at 0.25 Hz 0.5 mm RMS; no false VERIFIED.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "ros2_ws/src/pkp_control")]

from pkp_control.alignment import AlignmentState, Verifier
from pkp_control.branches import UnreachableError, solve_all
from pkp_control.compensation import CompensationState, Goal, ToolSample
from pkp_control.kinematics import TIP, ArmKinematics, ArmModel

from hardware_sim.patient_motion import PatientMotionConfig
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import MARKERS, PERIOD_S, NoisyTracker, TrackerNoise, prepare

MEDIAN_MM, MOST_MM, LAG_MM, LIMIT = 0.5, 0.8, 0.5, 1.0
SILENT = TrackerNoise(rms_mm=1e-6, constant_mm=0.0)


def inverse(model: ArmModel, calibrated: bool, count: int = 500) -> dict[str, float]:
    """Random joints: is their pose solved, are they among the solutions, and how exact and quick."""
    draw = np.random.default_rng(11)
    screws = draw.normal(size=(6, 6)) * [0.4, 0.4, 0.4, 0.001, 0.001, 0.001] if calibrated else None
    arm = ArmKinematics.load(model, screws)
    solved = same = 0
    worst, seconds, near = 0.0, [], []
    for joints in draw.uniform(-np.pi, np.pi, (count, 6)):
        tip = arm.forward(joints)
        begin = time.perf_counter()
        try:
            solutions = solve_all(arm, tip)
        except UnreachableError:
            continue
        finally:
            seconds.append(time.perf_counter() - begin)
        solved += 1
        gaps = [float(np.abs((s.joints - joints + np.pi) % (2 * np.pi) - np.pi).max()) for s in solutions]
        same += min(gaps) < 1e-4
        worst = max(worst, *(float(np.abs(arm.forward(s.joints).matrix - tip.matrix).max()) for s in solutions))
        begin = time.perf_counter()
        arm.inverse_near(tip, joints + 0.001)
        near.append(time.perf_counter() - begin)
    return {
        "solved": solved / count,
        "same": same / count,
        "worst": worst,
        "median": float(np.median(seconds)) * 1e3,
        "p99": float(np.percentile(seconds, 99)) * 1e3,
        "near": float(np.median(near)) * 1e3,
    }


def closed_loop(seed: int, model: ArmModel) -> dict[str, Any]:
    """One positioning: enable, go 20 mm along the axis, wait for VERIFIED, then hold one second."""
    p = prepare(seed, model, standoff_mm=20.0)
    paper = p.compensator.arm.forward(p.arm.joint_state().joints).translation_mm
    open_mm = float(np.linalg.norm(p.arm.true_tip().translation_mm - paper))
    p.run(1.2)
    p.enable()
    p.run(0.5)
    p.compensator.advance(0.0)
    p.run(2.6)
    verified = p.until_verified(6.0)
    at = p.true_error()
    held, false = [], 0
    for _ in range(125):
        p.step()
        held.append(p.true_error())
        accepted = p.verification is not None and p.verification.state is AlignmentState.VERIFIED
        false += int(accepted and bool((held[-1] >= LIMIT).any()))
    return {
        "seed": seed,
        "open": open_mm,
        "verified": verified,
        "at": at.tolist(),
        "rms": np.sqrt(np.mean(np.square(held), axis=0)).tolist(),
        "false": false + int(verified and bool((at >= LIMIT).any())),
        "state": p.compensator.state is CompensationState.ENABLED,
        "why": p.compensator.reason,
    }


def lag(seed: int, peak_to_peak_mm: float, noise: TrackerNoise) -> float:
    """RMS distance of the path's middle on the guide from where it should be, less its mean, over two breaths (mm)."""
    motion = PatientMotionConfig(breathing_mm=peak_to_peak_mm, breathing_spread=0.0)
    p = prepare(seed, motion=motion, noise=noise, standoff_mm=5.0)
    middle = p.goal.point_on_tool
    p.run(1.2)
    p.enable()
    p.compensator.advance(0.0)
    p.run(3.0)
    gaps = []
    for _ in range(int(8.0 / PERIOD_S)):
        p.step()
        tip, wanted = p.world_from_base @ p.arm.true_tip(), p.patient_ref(p.arm.now_s) @ p.goal.patient_from_tip
        gaps.append(tip.apply(middle) - wanted.apply(middle))
    spread = np.array(gaps) - np.mean(gaps, axis=0)
    return float(np.sqrt(np.square(spread).sum(axis=1).mean()))


def offset_guide(seed: int) -> tuple[float, bool]:
    """A guide that stands still off the plan by 0.6–2 mm: how far, and whether it was ever called VERIFIED in 4 s."""
    draw = np.random.default_rng([seed, 6])
    tracker = NoisyTracker(TrackerNoise(), seed)
    patient = RigidTransform.from_parts("tracker", "patient_ref", np.eye(3), [0.0, 0.0, 1400.0])
    plate = RigidTransform.from_parts("tracker", "robot_ref", np.eye(3), [60.0, -120.0, 1380.0])
    tool = RigidTransform.from_parts("robot_ref", TIP, np.eye(3), [0.0, 90.0, 90.0])
    off = draw.normal(size=3)
    off *= draw.uniform(0.6, 2.0) / np.linalg.norm(off)
    wrong = RigidTransform.from_parts(TIP, TIP, np.eye(3), off)
    goal = Goal(patient.inverse() @ plate @ tool @ wrong, 55.0, 105.0, "plan")
    verifier, ever = Verifier(goal, tool, MARKERS), False
    for frame in range(1, 241):
        stamp = frame / 60
        pair = [ToolSample(n, frame, stamp, tracker.measure(n, t)) for n, t in (("patient_ref", patient), ("robot_ref", plate))]
        verifier.observe(pair[0], pair[1], stamp + 0.015)
        ever = ever or verifier.verification(stamp + 0.015).state is AlignmentState.VERIFIED
    return float(np.linalg.norm(off)), ever


def main() -> int:
    """Print the tables; 0 where all limits are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--model", default="ur5", choices=[m.value for m in ArmModel])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="file that finished positionings are kept in, to go on from")
    parser.add_argument("--only", default="ik,closed,lag,false")
    options = parser.parse_args()
    console, model = Console(), ArmModel(options.model)
    wanted, good = set(options.only.split(",")), True
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(options.workers) as pool:
        if "ik" in wanted:
            table = Table(
                "arm", "model", "solved", "own branch found", "worst FK error, mm", "all branches, ms", "p99, ms", "one, near, ms"
            )
            for each in ArmModel:
                for calibrated in (False, True):
                    r = inverse(each, calibrated)
                    cells = [f"{r[k]:.3g}" for k in ("worst", "median", "p99", "near")]
                    table.add_row(
                        each.value, "calibrated" if calibrated else "nominal", f"{r['solved']:.1%}", f"{r['same']:.1%}", *cells
                    )
                    good &= calibrated or r["same"] == 1.0
            console.print(table)
        if "closed" in wanted:
            rows = _kept(options.keep)
            for row in pool.map(partial(closed_loop, model=model), [s for s in seeds if s not in {r["seed"] for r in rows}]):
                rows.append(row)
                if options.keep:
                    options.keep.open("a").write(json.dumps(row) + "\n")
            table = Table("true error", "median", "95 %", "largest", title=f"{model.value}, {len(rows)} positionings")
            table.add_row("open loop, mm", *_spread(np.array([r["open"] for r in rows])))
            for k, name in enumerate(("at VERIFIED: entry, mm", "at VERIFIED: target, mm", "at VERIFIED: angle, °")):
                values = np.array([r["at"][k] for r in rows])
                table.add_row(name, *_spread(values))
                good &= k == 2 or (float(np.median(values)) <= MEDIAN_MM and float(np.percentile(values, 95)) <= MOST_MM)
            for k, name in enumerate(("RMS of 1 s: entry, mm", "RMS of 1 s: target, mm", "RMS of 1 s: angle, °")):
                table.add_row(name, *_spread(np.array([r["rms"][k] for r in rows])))
            console.print(table)
            false = sum(int(r["false"]) for r in rows)
            console.print(
                f"verified {sum(bool(r['verified']) for r in rows)} of {len(rows)}; periods VERIFIED with 1 mm or 1° exceeded: {false}"
            )
            for r in rows:
                if not r["verified"] or not r["state"]:
                    console.print(f"  seed {r['seed']}: verified {r['verified']}, {r['why']}")
            good &= false == 0
        if "lag" in wanted:
            table = Table("breathing, lowest to highest", "noise", "RMS lag, mm", "largest of seeds", title="following 0.25 Hz")
            few = list(seeds)[:4]
            for height in (5.0, 10.0):
                for name, noise in (("none", SILENT), ("0.25 mm", TrackerNoise())):
                    values = list(pool.map(partial(lag, peak_to_peak_mm=height, noise=noise), few))
                    table.add_row(f"{height:g} mm", name, f"{np.mean(values):.2f}", f"{np.max(values):.2f}")
                    good &= height > 5 or float(np.mean(values)) <= LAG_MM
            console.print(table)
        if "false" in wanted:
            results = list(pool.map(offset_guide, seeds, chunksize=10))
            beyond = [ever for off, ever in results if off >= LIMIT]
            within = [ever for off, ever in results if off < LIMIT]
            console.print(
                f"guide off by 1–2 mm: VERIFIED {sum(beyond)} of {len(beyond)}; off by 0.6–1 mm: VERIFIED {sum(within)} of {len(within)}"
            )
            good &= not any(beyond)
    console.print("all limits reached" if good else "limits missed")
    return 0 if good else 1


def _kept(file: Path | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file and file.is_file() else []


def _spread(values: np.ndarray) -> tuple[str, str, str]:
    return f"{np.median(values):.2f}", f"{np.percentile(values, 95):.2f}", f"{values.max():.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
