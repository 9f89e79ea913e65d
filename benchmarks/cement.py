"""Known compressions of real healthy vertebrae: is the defect found, and does its interval hold it?"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from benchmarks.cases import MASKS, shared
from benchmarks.compression import KINDS, compress
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.fracture import is_suspect
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.vertebra import Spine
from planning_core.cement.plan import CementPlan, Verdict
from planning_core.cement.planner import plan_cement
from planning_core.errors import PkpError
from planning_core.geometry import Grid

PATIENTS = ("verse005", "healthy_reference", "thoracic_ct", "totalseg_ct")
LOSSES = (0.15, 0.30, 0.45)


def main() -> int:
    """Print errors per patient, kind and loss, against two baselines, with coverage and verdicts."""
    parser = argparse.ArgumentParser(prog="pkp bench cement")
    parser.add_argument("--patients", nargs="*", default=PATIENTS)
    parser.add_argument("--quick", action="store_true", help="one loss and every third level only")
    given = parser.parse_args()
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for patient in given.patients:
        segmentation = LabelFileSegmenter(shared(MASKS[patient])).read()
        spine, native = model_spine(segmentation, None), segmentation.grid
        config = AnatomyConfig()
        for level in spine.levels[:: 3 if given.quick else 1]:
            beside = [v for v in spine.levels if abs(v.ordinal - level.ordinal) == 1]
            if level.ordinal < 4 or len(beside) < 2 or is_suspect(level, spine.vertebrae, config):
                continue
            for kind in KINDS:
                for loss in (0.30,) if given.quick else LOSSES:
                    row = _case(spine, native, level, kind, loss)
                    if row is None:
                        continue
                    for key in (f"patient {patient}", f"kind {kind}", f"loss {loss:.0%}", "all"):
                        rows[key].append(row)
                one = _neighbour_fractured(spine, native, level, beside[-1], kind)
                if one is not None:
                    rows["one neighbour fractured too"].append(one)
            for grow in (-0.5, 0.5):
                row = _case(spine, native, level, "wedge", 0.30, grow)
                if row is not None:
                    rows[f"mask moved {grow:+.1f} voxel"].append(row)
    print(
        f"{'group':28s} {'n':>4s} {'truth':>6s} {'med.err':>8s} {'med.%':>6s} {'p95.%':>6s} {'bias':>6s} {'cover':>6s} {'review':>7s} | baselines med.err ml: volume trend, ellipsoid"
    )
    for key in sorted(rows):
        r = np.array(rows[key])
        error, relative = np.abs(r[:, 1] - r[:, 0]), 100 * np.abs(r[:, 1] - r[:, 0]) / r[:, 0]
        print(
            f"{key:28s} {len(r):4d} {r[:, 0].mean():6.2f} {np.median(error):8.2f} {np.median(relative):6.1f} {np.percentile(relative, 95):6.1f} "
            f"{(r[:, 1] - r[:, 0]).mean():+6.2f} {r[:, 2].mean():6.0%} {r[:, 3].mean():7.0%} | {np.median(np.abs(r[:, 4] - r[:, 0])):.2f} {np.median(np.abs(r[:, 5] - r[:, 0])):.2f}"
        )
    print("targets: median error <= 0.7 ml and <= 12 %, 95th percentile <= 25 %, cover >= 90 %, review after a moved mask")
    return 0


def _case(
    spine: Spine, native: Grid, level: VertebraLevel, kind: str, loss: float, grow: float = 0.0
) -> tuple[float, ...] | None:
    try:
        broken = compress(spine, level, kind, loss, native, grow)
        plan = plan_cement(broken.spine, level)
    except PkpError as error:
        print(f"# {level.value} {kind} {loss:.0%}: {type(error).__name__} {error.message}")
        return None
    return _row(broken.truth_ml, plan, broken.spine, level)


def _neighbour_fractured(
    spine: Spine, native: Grid, level: VertebraLevel, beside: VertebraLevel, kind: str
) -> tuple[float, ...] | None:
    try:
        first = compress(spine, beside, "wedge", 0.35, native)
        broken = compress(first.spine, level, kind, 0.30, native)
        plan = plan_cement(broken.spine, level)
    except PkpError as error:
        print(f"# {level.value} beside a fracture: {type(error).__name__} {error.message}")
        return None
    return _row(broken.truth_ml, plan, broken.spine, level)


def _row(truth: float, plan: CementPlan, spine: Spine, level: VertebraLevel) -> tuple[float, ...]:
    """Truth, estimate, covered, not accepted, and what two simpler ways would say."""
    deficit = plan.deficit
    others = [v for v in spine.levels if abs(v.ordinal - level.ordinal) == 1]
    trend = np.mean([spine.vertebrae[v].body_volume_ml for v in others]) - plan.collapsed_body_ml
    target = spine.vertebrae[level]
    columns = (target.body.values < 0).any(axis=0)
    area = float(columns.sum()) * float(np.prod(target.body.grid.spacing_mm[:2]))
    expected, own = plan.self_check.expected, target.heights
    lost = np.mean(
        [expected.anterior_mm - own.anterior_mm, expected.middle_mm - own.middle_mm, expected.posterior_mm - own.posterior_mm]
    )
    return (
        truth,
        deficit.value_ml,
        float(deficit.low_ml <= truth <= deficit.high_ml),
        float(plan.verdict is not Verdict.ACCEPT),
        float(max(trend, 0)),
        float(max(lost, 0)) * area / 1000,
    )


if __name__ == "__main__":
    raise SystemExit(main())
