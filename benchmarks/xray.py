"""A vertebra rebuilt from two simulated X-ray images, against the CT that they were made of: ``./pkp bench xray``.

    ./pkp bench xray [--cases thoracic_ct totalseg_ct verse012] [--pairs 9] [--out FILE.jsonl] [--calibrate]

Every complete vertebra of the CTs, the whole trunk's pictures (three energies, scatter, blur, noise: ``FLUOROSCOPY``), frontal and
lateral or random views at least 20 degrees apart; the patient is turned by up to 10 degrees about and shifted by up to 15 mm along
each axis, which the fit is not told. It is told the level and, in each view, the middle of the body with an error of 3 mm (one sigma, at
the bone, down and across); with ``--points 3`` the middle of the body and of both pedicles, as exactly as the triangulation baseline
(1.5 mm on the detector). Shape models and atlas are learned without the tested patient; so is what says whether a result is
good. Every trial is a line of FILE, and what is there is not run again. ``--calibrate`` writes the shipped calibration from all of it.

With ``--plan`` paths are planned on every result as the shipped command plans them (which does so only where nothing is doubted) and judged
in the CT's own mask as ``xray_paths`` does; their stated P(breach) stands beside how many of them leave the bone of the pedicle.

A pedicle's path is the one that keeps furthest from the model's own surface, near the axis that the model carries; it counts as inside
where 12 mm of a cylinder of 5 mm lie in the true bone. Where
the bone holds no such cylinder in any direction it cannot, and those are shown apart. The correlation baseline is the mean shape of the level, its pose
by the same correlation. The triangulation baseline is given four true points in each view, 1.5 mm off (``xray_paths``), and draws its
paths from them. Real films have no truth here.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import MASKS, shared
from benchmarks.raw_pedicle import DIAMETER_MM, RawBone
from benchmarks.xray_paths import CYLINDER_MM, axis_clearance_mm
from benchmarks.xray_trials import LEVELS, Trial, drawn_inside, scores, trials, usual_without
from planning_core.anatomy.body import ModelError
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.trajectory.plan import PathKind
from planning_core.trajectory.planner import NoSafePathError
from planning_core.xray.fit import Findings, find
from planning_core.xray.fitting.confidence import GOOD_DICE, GOOD_HD95_MM, Calibration, with_calibration
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.paths import plan_on_reconstruction
from planning_core.xray.reconstruction import XrayReconstruction

FITTING = Path(__file__).resolve().parent.parent / "planning_core/xray/fitting/confidence.json"
Row = dict[str, Any]
REGIONS = {"T1–T4": range(1, 5), "T5–T8": range(5, 9), "T9–T12": range(9, 13), "L1–L5": range(13, 18)}
RISKS = (0.0, 0.02, 0.05, 0.1, 0.2, 1.01)
LOW = range(10, 18)
"""T10 to L5: below what heart and lungs hide."""


@functools.lru_cache(maxsize=1)
def mask_of(case: str) -> SpineSegmentation:
    """A case's mask as it is stored; trials come case by case."""
    return LabelFileSegmenter(shared(MASKS[case])).read()


@functools.cache
def raw_bone(case: str, level: VertebraLevel) -> RawBone:
    """A vertebra of it."""
    return RawBone.of(mask_of(case), level)


def planned(found: Findings, trial: Trial) -> Row:
    """The shipped planner's transpedicular paths on a result: whether both keep their cylinders, and each one's stated risk.

    ``planned_inside`` is of the cylinder of 5 mm, ``planned_cannula`` of the cannula; ``risks`` holds (P(breach), breached or not).
    """
    calm = XrayReconstruction(trial.level, found.chain.shape, found.covariance, found.likeness, found.significance, 1.0)
    try:
        views = [image.view for image in trial.images]
        paths = plan_on_reconstruction(calm, views=views, clicks=trial.clicks).trajectories.paths
    except (NoSafePathError, ModelError):
        paths = ()
    back, bone = trial.truth.inverse(), raw_bone(trial.case, trial.level)
    straight = [p for p in paths if p.kind is PathKind.TRANSPEDICULAR]
    ends = {p.side: (back.apply(p.entry_lps_mm), back.apply(p.target_lps_mm)) for p in straight}
    clearance = {side: axis_clearance_mm(bone, trial.vertebra, side, *end) for side, end in ends.items()}
    return {
        "planned_sides": len(ends),
        "planned_inside": float(len(ends) == 2 and min(clearance.values()) >= CYLINDER_MM / 2),
        "planned_cannula": float(len(ends) == 2 and min(clearance.values()) >= DIAMETER_MM / 2),
        "risks": [(round(p.p_breach, 4), clearance[p.side] < p.diameter_mm / 2) for p in straight],
    }


def measured(trial: Trial, plan: bool = False) -> Row | None:
    """One line of the results; none where no model can be learned without the patient."""
    usual = usual_without(trial.case, trial.level)
    if usual is None:
        return None
    began, cpu = time.perf_counter(), time.process_time()
    found: Findings = find(trial.images, trial.level, trial.clicks, FitConfig(), usual=usual)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    row: Row = {
        "name": trial.name,
        "case": trial.case,
        "level": trial.level.value,
        "collapse": trial.collapse,
        "points": len(trial.clicks.pixels[0]),
        "orthogonal": trial.orthogonal,
        "angle_deg": round(trial.angle_deg, 1),
        "s": round(seconds, 2),
        "cpu_s": round(cpu, 2),
        "signs": [round(float(v), 5) for v in found.signs.values()],
        "fracture": [round(float(v), 3) for v in found.chain.shape.fracture],
        "doubts": len(found.plain_doubts(FitConfig())),
    }
    row["drawn_both_inside"] = drawn_inside(trial)
    row |= {key: round(value, 4) for key, value in scores(found.chain.shape, trial).items()}
    if plan and not trial.collapse:  # the mask shows the bone as it was before it was pressed flat
        began = time.perf_counter()
        row |= planned(found, trial)
        row["plan_s"] = round(time.perf_counter() - began, 2)
    return row | {f"rigid_{key}": round(value, 4) for key, value in scores(found.rigid, trial).items()}


def good(row: Row) -> bool:
    """Good as the confidence means it."""
    return bool(row["dice"] >= GOOD_DICE and row["hd95_mm"] <= GOOD_HD95_MM)


def judged(rows: Sequence[Row]) -> list[Row]:
    """Each row with its probability and whether it is flagged, by a calibration that never saw its patient."""
    out = []
    for case in sorted({row["case"] for row in rows}):
        others = [row for row in rows if row["case"] != case]
        if len({good(row) for row in others}) < 2:
            continue
        calibration = calibrated(others)
        for row in rows:
            if row["case"] == case:
                sure = calibration.probability_of(np.array(row["signs"]))
                out.append(row | {"sure": sure, "flagged": bool(sure < calibration.threshold or row["doubts"])})
    return out


def calibrated(rows: Sequence[Row]) -> Calibration:
    """The calibration from these rows."""
    return Calibration.fitted(np.array([row["signs"] for row in rows]), np.array([good(row) for row in rows]))


def line(name: str, rows: Sequence[Row], prefix: str = "") -> str:
    """One line of the table."""
    if not rows:
        return f"| {name} | 0 |"
    values = {k: np.array([row[prefix + k] for row in rows]) for k in ("dice", "surface_dice", "hd95_mm", "both_inside", "could")}
    could = values["could"] > 0
    wide = f"{values['both_inside'][could].mean():.0%} ({could.sum()})" if could.any() else "none"
    text = (
        f"| {name} | {len(rows)} | {values['dice'].mean():.3f} | {np.median(values['dice']):.3f} | {values['surface_dice'].mean():.3f} | "
        f"{values['hd95_mm'].mean():.2f} | {np.median(values['hd95_mm']):.2f} | {values['both_inside'].mean():.0%} | {wide} |"
    )
    if prefix or "flagged" not in rows[0]:
        return text + " | | | |"
    bad = [row for row in rows if not good(row)]
    caught = f"{sum(row['flagged'] for row in bad)}/{len(bad)}"
    return (
        text
        + f" {np.mean([row['flagged'] for row in rows]):.0%} | {caught} | {np.median([row['s'] for row in rows]):.1f} / {max(row['s'] for row in rows):.1f} |"
    )


def drawn(name: str, rows: Sequence[Row]) -> str:
    """One line of the triangulation baseline, which has paths and no shape; rows of before it was measured have none."""
    some = [row for row in rows if "drawn_both_inside" in row]
    wide = [row for row in some if row["could"] > 0]
    shares = [f"{np.mean([row['drawn_both_inside'] for row in these]):.0%}" if these else "none" for these in (some, wide)]
    return f"| {name}, triangulation | {len(some)} | | | | | | {shares[0]} | {shares[1]} ({len(wide)}) | | | |"


def with_plans(rows: Sequence[Row]) -> str:
    """The shipped planner's paths, and what their P(breach) was worth where a plan would be made."""
    some = [row for row in rows if "risks" in row]
    if not some:
        return ""
    kept = [row for row in some if not row.get("flagged", False)]
    out = ["", "| planned paths | n | on both sides | both inside, 5 mm | both inside, cannula |", "|---|---|---|---|---|"]
    for name, these in (("all", some), ("not flagged", kept)):
        low = [row for row in these if number_of(row) in LOW]
        ways = {name: these, f"{name}, T10–L5": low}
        for views, which in (("orthogonal", True), ("random", False)):
            ways[f"{name}, T10–L5, {views}"] = [row for row in low if row["orthogonal"] is which]
        for words, part in ways.items():
            keys = ("planned_inside", "planned_cannula")
            shares = [f"{np.mean([row[key] for row in part]):.0%}" if part else "" for key in keys]
            out.append(
                f"| {words} | {len(part)} | {sum(row['planned_sides'] == 2 for row in part)} | {shares[0]} | {shares[1]} |"
            )
    risks = np.array([risk for row in kept for risk in row["risks"]], float).reshape(-1, 2)
    out += ["", "| stated P(breach), not flagged | paths | mean stated | left the pedicle's bone |", "|---|---|---|---|"]
    for low_risk, high_risk in zip(RISKS, RISKS[1:], strict=False):
        within = risks[(risks[:, 0] >= low_risk) & (risks[:, 0] < high_risk)]
        if len(within):
            stated, left = within.mean(axis=0)
            out.append(f"| {low_risk:.0%} to {high_risk:.0%} | {len(within)} | {stated:.1%} | {left:.1%} |")
    left = [row for row in some if not row["planned_cannula"]]
    out += [
        "",
        f"of {len(left)} whose cannulas left a pedicle's bone or had no path {sum(row.get('flagged', False) for row in left)} were flagged",
    ]
    seconds = np.array([row["s"] + row["plan_s"] for row in some if "plan_s" in row])
    if len(seconds):
        out.append(f"fit and paths together {np.median(seconds):.1f} s (median), {seconds.max():.1f} s at most; wanted 30")
    return "\n".join(out)


def number_of(row: Row) -> int:
    """Of its level, from T1 on."""
    return USUAL_LEVELS.index(VertebraLevel(row["level"])) + 1


def table(rows: Sequence[Row]) -> str:
    """All lines."""
    sound = [row for row in rows if not row["collapse"] and (row["case"], row["level"]) != ("verse012", "L1")]
    out = [
        "| | n | Dice | median | surface Dice | HD95 mm | median | both paths in | where they fit (n) | flagged | bad caught | s, median / most |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, which in (("orthogonal", True), ("random", False)):
        some = [row for row in sound if row["orthogonal"] is which]
        kept = [row for row in some if not row.get("flagged", False)]
        below = [row for row in some if number_of(row) in LOW]
        out += [
            line(name, some),
            line(f"{name}, not flagged", kept),
            line(f"{name}, correlation", some, "rigid_"),
            drawn(name, some),
        ]
        low = f"{name}, T10–L5"
        out += [line(low, below), line(f"{low}, correlation", below, "rigid_"), drawn(low, below)]
    for region, which_levels in REGIONS.items():
        out.append(line(region, [row for row in sound if number_of(row) in which_levels]))
    out += [line(case, [row for row in sound if row["case"] == case]) for case in LEVELS]
    out.append(line("verse012 L1 (fractured)", [r for r in rows if r["case"] == "verse012" and r["level"] == "L1"]))
    out.append(line("collapsed", [r for r in rows if r["collapse"]]))
    out.append(with_plans(sound))
    return "\n".join(out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not there yet, print the table."""
    parser = argparse.ArgumentParser(
        prog="./pkp bench xray", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="*", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--pairs", type=int, default=9, help="of views per vertebra; more can be added to what is there")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path, default=Path("xray.jsonl"), help="one line per trial; an interrupted run goes on")
    parser.add_argument(
        "--points", type=int, choices=(1, 3), default=1, help="clicked in each view: the body, or the pedicles too"
    )
    parser.add_argument("--plan", action="store_true", help="paths too, as the shipped command plans them")
    parser.add_argument("--calibrate", action="store_true", help="write the shipped calibration from all that is in the file")
    given = parser.parse_args(arguments)
    rows = [json.loads(text) for text in given.out.read_text().splitlines()] if given.out.exists() else []
    others = sum(row.get("points", 1) != given.points for row in rows)
    if others:
        parser.error(f"{given.out} holds {others} trials with another number of points: give another --out")
    done = frozenset(row["name"] for row in rows)
    with given.out.open("a") as stream:
        for case in given.cases:
            for trial in trials(case, given.pairs, given.seed, done, given.points):
                row = measured(trial, given.plan)
                if row is not None:
                    rows.append(row)
                    stream.write(json.dumps(row) + "\n")
                    stream.flush()
    if given.calibrate:
        FITTING.write_text(with_calibration(FITTING.read_text(), given.points, calibrated(rows)))
    print(table(judged(rows) or rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
