"""Needle paths on every complete vertebra T9–L5 of the shared masks.

    python -m benchmarks.trajectory [--patients verse012,verse005,…] [--all-levels]

A path's clearance is not taken from the planner: it is measured again on the raw label map, by the distance from the needle's
axis to a triangle surface through the mask's own voxels (no smoothing, no distance field). The pedicle is found there without
the planner's posterior wall or canal: the stretch of the path from where the canal begins to lie beside it to half way back.
The baseline runs straight along the measured pedicle axis through its centre.

Must reach: both transpedicular paths grade A with at least 1 mm of clearance for a 3.2 mm cannula wherever the pedicle is at
least 6 mm wide; no point of any cannula's surface in the canal.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh
from rich.console import Console
from rich.table import Table

from benchmarks.raw_pedicle import NO_LINE, STEP_MM, WANTED_MM, Checked, RawBone, check
from planning_core.anatomy.label_file import LabelFileSegmenter, from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Pedicle, Side, Vertebra
from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.plan import BreachGrade, PathKind, Trajectory
from planning_core.trajectory.planner import NoSafePathError, plan_trajectories
from tests.data import HEALTHY_MASK, SHARED, THORACIC_MASK, TOTALSEG_MASK, VERSE005_MASK, VERSE012_MASK

PATIENTS = {
    "verse012": VERSE012_MASK,
    "verse005": VERSE005_MASK,
    "healthy_reference": HEALTHY_MASK,
    "thoracic_ct": THORACIC_MASK,
    "totalseg_ct": TOTALSEG_MASK,
    "lumbar_phantom": "lumbar_phantom",
}
WIDE_ENOUGH_MM = 6.0
FIRST, LAST = VertebraLevel.T9.ordinal, VertebraLevel.L5.ordinal
PHANTOM = [VertebraLevel(f"L{n}") for n in range(1, 6)]


def baseline(vertebra: Vertebra, pedicle: Pedicle) -> tuple[FloatArray, FloatArray]:
    """Entry and tip of the line along the pedicle's axis through its centre, from bone's surface to the body's front third."""
    inverse = vertebra.ct_lps_from_vertebra.inverse()
    centre, axis = inverse.apply(pedicle.centre_lps_mm), inverse.rotate(pedicle.axis_lps)
    back = centre - np.arange(0, 45, STEP_MM)[:, None] * axis
    outside = vertebra.whole.at(back) > 0
    entry = back[int(outside.argmax()) if outside.any() else -1]
    columns = vertebra.body.grid.points(np.argwhere(vertebra.body.values < 0))[:, 1]
    front = float(np.percentile(columns, 2))
    depth = front + (float(columns.max()) - front) / 4
    tip = centre + max((depth - centre[1]) / min(axis[1], -0.1), 10.0) * axis
    return vertebra.ct_lps_from_vertebra.apply(entry), vertebra.ct_lps_from_vertebra.apply(tip)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 when what must be reached is not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--patients", default=",".join(PATIENTS))
    parser.add_argument("--all-levels", action="store_true", help="T1–T8 as well, where pedicles are narrow")
    given = parser.parse_args(argv)
    config = TrajectoryConfig(cannulas=("11G working",))
    table = Table(
        "patient", "level", "side", "width", "clearance", "−½ voxel", "grade", "checked", "baseline", "canal", "P(breach)", "s"
    )
    missed: list[str] = []
    pairs: list[tuple[Checked, Checked]] = []
    wide: list[Checked] = []
    slowest = 0.0
    for patient in given.patients.split(","):
        path = SHARED / PATIENTS[patient]
        if not path.exists():
            print(f"{patient}: no data at {path}")
            return 2
        segmentation = _phantom(path) if path.is_dir() else LabelFileSegmenter(path).read()
        spine = model_spine(segmentation, None)
        for level in spine.levels:
            if not given.all_levels and not FIRST <= level.ordinal <= LAST:
                continue
            vertebra, bone = spine.vertebrae[level], RawBone.of(segmentation, level)
            began = time.process_time()
            try:
                plan = plan_trajectories(spine, level, None, None, config)
                paths, refused = plan.paths, plan.refused
            except NoSafePathError as error:
                paths, refused = (), tuple(error.data["refused"])
            seconds = time.process_time() - began
            slowest = max(slowest, seconds)
            for side in Side:
                place = f"{patient} {level.value} {side.value}"
                pedicle = vertebra.pedicles.get(side)
                width = pedicle.width_mm if pedicle else 0.0
                found = [p for p in paths if p.side is side and p.kind is PathKind.TRANSPEDICULAR]
                rows = [patient, level.value, side.value, f"{width:.1f}"]
                if not found:
                    why = next((r for r in refused if r.startswith(f"{side.value} {PathKind.TRANSPEDICULAR.value}")), "no path")
                    table.add_row(*rows, "refused", "", "", "", "", "", "", f"{seconds:.1f}")
                    if width >= WIDE_ENOUGH_MM:
                        missed.append(f"{place}: {why}")
                    continue
                ours_raw = check(bone, vertebra, side, found[0].entry_lps_mm, found[0].target_lps_mm)
                base = check(bone, vertebra, side, *baseline(vertebra, pedicle)) if pedicle else NO_LINE
                table.add_row(*rows, *_cells(found[0], ours_raw, base), f"{seconds:.1f}")
                pairs.append((ours_raw, base))
                wide += [ours_raw] if width >= WIDE_ENOUGH_MM else []
                missed.extend(f"{place}: {reason}" for reason in _misses(found[0], ours_raw, width, vertebra))
    Console(width=150).print(table)
    _summary("ours", [a for a, _ in pairs])
    _summary("baseline", [b for _, b in pairs])
    _summary("ours from 6 mm", wide)
    print(f"slowest level {slowest:.1f} s (all kinds, both sides, one core)")
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


def _phantom(folder: Path) -> SpineSegmentation:
    """The Visible Human's L1–L5 surfaces (x anterior, y left, z superior) as a label map of 1 mm voxels in LPS."""
    surfaces = {level: trimesh.load_mesh(folder / f"{level.value}_mm.stl") for level in PHANTOM}
    for surface in surfaces.values():
        surface.apply_transform(np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    low = np.min([s.bounds[0] for s in surfaces.values()], axis=0) - 5
    high = np.max([s.bounds[1] for s in surfaces.values()], axis=0) + 5
    grid = Grid(np.ceil(high - low).astype(int)[::-1], [1.0] * 3, low)
    labels = np.zeros(grid.shape, np.uint8)
    for level, surface in surfaces.items():
        filled = surface.voxelized(0.5).fill().points
        # two halves of a voxel each way: a voxel is bone when most of its eight are
        index = np.floor(grid.indices(filled) + 0.5).astype(int)
        share = np.zeros(grid.shape, np.uint8)
        np.add.at(share, tuple(index.T), 1)
        labels[share >= 4] = level.verse_id
    return from_labels(labels, grid)


def _summary(name: str, checked: list[Checked]) -> None:
    """One line over all pedicles."""
    bone = np.array([c.clearance_mm for c in checked])
    touched, good = np.mean([c.in_canal > 0 for c in checked]), np.mean([c.good for c in checked])
    print(
        f"{name:14s} checked clearance median {np.median(bone):5.2f} mm, least {bone.min():5.2f}; "
        f"≥ 1 mm {np.mean(bone >= WANTED_MM):4.0%}; canal touched {touched:4.0%}; good paths {good:4.0%} of {len(checked)}"
    )


def _cells(path: Trajectory, raw: Checked, base: Checked) -> list[str]:
    return [
        f"{path.clearance_mm:.2f}",
        f"{path.clearance_mm - path.resolution_mm:.2f}",
        path.grade.value,
        f"{raw.clearance_mm:.2f}" + ("" if raw.good else " ✗"),
        f"{base.clearance_mm:.2f}" + ("" if base.good else " ✗"),
        f"{path.canal_mm:.1f}" if raw.in_canal == 0 else f"[red]{raw.in_canal} in canal",
        f"{path.p_breach:.3f}",
    ]


def _misses(path: Trajectory, raw: Checked, width: float, vertebra: Vertebra) -> list[str]:
    """What falls short on one side."""
    found = []
    if width >= WIDE_ENOUGH_MM and (path.clearance_mm < WANTED_MM or path.grade is not BreachGrade.A):
        found.append(f"clearance {path.clearance_mm:.2f} mm in a pedicle of {width:.1f} mm, {WANTED_MM:g} needed")
    coarse = float(vertebra.voxel_mm.max()) / 2
    if not raw.clearance_mm >= min(path.clearance_mm, WANTED_MM) - coarse:
        found.append(
            f"the raw mask leaves {raw.clearance_mm:.2f} mm, the planner said {path.clearance_mm:.2f}; voxels {2 * coarse:.1f} mm"
        )
    if raw.in_canal:
        found.append(f"{raw.in_canal} points of the cannula lie in the canal")
    return found


if __name__ == "__main__":
    sys.exit(main())
