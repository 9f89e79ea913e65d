"""Needle paths on every complete vertebra T9–L5 of the shared masks.

    python -m benchmarks.trajectory [--patients verse012,verse005,…] [--all-levels] [--no-bound]

A path's clearance is not taken from the planner: it is measured again on the raw label map (``raw_pedicle``: triangle surface
through the mask's own voxels, no smoothing, no distance field, the pedicle found by looking sideways for the canal). Beside it
stands the best any straight cannula could do there (``pedicle_bound``, brute force), so that impossible is told from missed,
and the baseline: straight along the measured pedicle axis through its centre.

Must reach: both transpedicular paths grade A with at least 1 mm of clearance for a 3.2 mm cannula wherever the pedicle is at
least 6 mm wide; no point of any cannula's surface in the canal. "Width" is the widest straight instrument that passes: twice
the bound plus the cannula on the raw mask, or what the planner measured, whichever is larger.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import trimesh
from rich.console import Console
from rich.table import Table

from benchmarks.pedicle_bound import best_clearance
from benchmarks.raw_pedicle import DIAMETER_MM, NO_LINE, STEP_MM, WANTED_MM, Checked, RawBone, check
from planning_core.anatomy.label_file import LabelFileSegmenter, from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.pedicles import measure_pedicles
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


@attrs.frozen
class Row:
    """One side: the planner's path (None when refused), measured on the raw mask, beside the baseline and the bound.

    Args:
        width_mm: of the pedicle, the larger of the planner's measure and what the raw mask lets pass.
        bound_mm: the best clearance of any straight cannula on the raw mask; NaN when not asked for.
    """

    patient: str
    level: VertebraLevel
    side: Side
    width_mm: float
    measured_mm: float
    bound_mm: float
    path: Trajectory | None
    raw: Checked
    base: Checked
    half_voxel_mm: float
    why: str
    seconds: float

    @property
    def wide(self) -> bool:
        """Whether 1 mm must be reached."""
        return self.width_mm >= WIDE_ENOUGH_MM

    @property
    def impossible(self) -> bool:
        """Whether no straight cannula leaves 1 mm in the raw mask."""
        return self.bound_mm < WANTED_MM


def rows(patient: str, all_levels: bool, bounded: bool, config: TrajectoryConfig) -> Iterator[Row]:
    """Plan and measure every level of one patient."""
    path = SHARED / PATIENTS[patient]
    segmentation = _phantom(path) if path.is_dir() else LabelFileSegmenter(path).read()
    spine = model_spine(segmentation, None)
    for level in spine.levels:
        if not all_levels and not FIRST <= level.ordinal <= LAST:
            continue
        vertebra, bone = spine.vertebrae[level], RawBone.of(segmentation, level)
        began = time.process_time()
        try:
            plan = plan_trajectories(spine, level, None, None, config)
            paths, refused = plan.paths, tuple(map(str, plan.refused))
        except NoSafePathError as error:
            paths, refused = (), tuple(error.data["refused"])
        seconds = time.process_time() - began
        pedicles = measure_pedicles(vertebra)
        for side in Side:
            pedicle = pedicles.get(side)
            found = next((p for p in paths if p.side is side and p.kind is PathKind.TRANSPEDICULAR), None)
            raw = check(bone, vertebra, side, found.entry_lps_mm, found.target_lps_mm) if found else NO_LINE
            base = check(bone, vertebra, side, *baseline(vertebra, pedicle)) if pedicle else NO_LINE
            bound = max(best_clearance(bone, vertebra, side), raw.clearance_mm, base.clearance_mm) if bounded else np.nan
            measured = pedicle.width_mm if pedicle else 0.0
            width = float(np.nanmax([measured, 2 * bound + DIAMETER_MM]))
            why = next((r for r in refused if r.startswith(f"{side.value} {PathKind.TRANSPEDICULAR.value}")), "no path")
            half = float(vertebra.voxel_mm.max()) / 2
            yield Row(patient, level, side, width, measured, bound, found, raw, base, half, why, seconds)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; 1 when what must be reached is not, though it could be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--patients", default=",".join(PATIENTS))
    parser.add_argument("--all-levels", action="store_true", help="T1–T8 as well, where pedicles are narrow")
    parser.add_argument("--no-bound", action="store_true", help="leave out the brute-force bound (some seconds per side)")
    given = parser.parse_args(argv)
    config = TrajectoryConfig(cannulas=("11G working",))
    names = ("patient", "level", "side", "width", "clearance", "−½ voxel", "grade", "checked", "bound", "baseline", "canal")
    table = Table(*names, "P(breach)", "s")
    found: list[Row] = []
    for patient in given.patients.split(","):
        if not (SHARED / PATIENTS[patient]).exists():
            print(f"{patient}: no data at {SHARED / PATIENTS[patient]}")
            return 2
        found.extend(rows(patient, given.all_levels, not given.no_bound, config))
    for row in found:
        table.add_row(row.patient, row.level.value, row.side.value, f"{row.measured_mm:.1f}", *_cells(row), f"{row.seconds:.1f}")
    Console(width=160).print(table)
    Console(width=160).print(_by_patient(found))
    _summary("ours", [r.raw for r in found if r.path])
    _summary("baseline", [r.base for r in found if r.path])
    _summary("ours from 6 mm", [r.raw for r in found if r.wide])
    print(f"slowest level {max(r.seconds for r in found):.1f} s (all kinds, both sides, one core)")
    missed = [(row, reason) for row in found for reason in _misses(row)]
    for row, reason in missed:
        word = "IMPOSSIBLE" if row.impossible and row.raw.in_canal == 0 else "MISSED"
        print(f"{word} {row.patient} {row.level.value} {row.side.value}: {reason}")
    return 1 if any(not row.impossible or row.raw.in_canal for row, _ in missed) else 0


def _by_patient(found: list[Row]) -> Table:
    """Per patient: all sides, and those wide enough."""
    table = Table(
        "patient", "sides", "≥ 1 mm", "median", "least", "bound < 1 mm", "from 6 mm", "≥ 1 mm", "of these bound < 1 mm", "canal"
    )
    for patient in [*dict.fromkeys(r.patient for r in found), "all"]:
        some = [r for r in found if patient in (r.patient, "all")]
        wide = [r for r in some if r.wide]
        value = np.array([r.raw.clearance_mm for r in some])
        table.add_row(
            patient,
            str(len(some)),
            f"{np.mean(value >= WANTED_MM):.0%}",
            f"{np.median(value):.2f}",
            f"{value.min():.2f}",
            str(sum(r.impossible for r in some)),
            str(len(wide)),
            str(sum(r.raw.clearance_mm >= WANTED_MM for r in wide)),
            str(sum(r.impossible for r in wide)),
            str(sum(r.raw.in_canal > 0 for r in some)),
        )
    return table


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


def _cells(row: Row) -> list[str]:
    path, raw, base = row.path, row.raw, row.base
    bound = f"{row.bound_mm:.2f}"
    if path is None:
        return ["refused", "", "", "", bound, "", "", ""]
    return [
        f"{path.clearance_mm:.2f}",
        f"{path.clearance_mm - path.resolution_mm:.2f}",
        path.grade.value,
        f"{raw.clearance_mm:.2f}" + ("" if raw.good else " ✗"),
        bound,
        f"{base.clearance_mm:.2f}" + ("" if base.good else " ✗"),
        f"{path.canal_mm:.1f}" if raw.in_canal == 0 else f"[red]{raw.in_canal} in canal",
        f"{path.p_breach:.3f}",
    ]


def _misses(row: Row) -> list[str]:
    """What falls short on one side."""
    path, raw = row.path, row.raw
    if path is None:
        return [row.why] if row.wide else []
    found = []
    if row.wide and (path.clearance_mm < WANTED_MM or path.grade is not BreachGrade.A):
        found.append(f"clearance {path.clearance_mm:.2f} mm in a pedicle of {row.width_mm:.1f} mm, {WANTED_MM:g} needed")
    if row.wide and raw.clearance_mm < WANTED_MM:
        found.append(
            f"the raw mask leaves {raw.clearance_mm:.2f} mm in a pedicle of {row.width_mm:.1f} mm, at best {row.bound_mm:.2f}; "
            f"the planner said {path.clearance_mm:.2f}, half a voxel is {row.half_voxel_mm:.1f}"
        )
    if raw.in_canal:
        found.append(f"{raw.in_canal} points of the cannula lie in the canal")
    return found


if __name__ == "__main__":
    sys.exit(main())
