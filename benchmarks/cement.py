"""Known compressions of real healthy vertebrae: is the defect found, does its interval hold it, are moved masks noticed?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from benchmarks.cases import MASKS, shared
from benchmarks.compression import Compressed, as_drawn_again, compress
from planning_core.anatomy.collapse import KINDS
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.fracture import assess, is_suspect
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.vertebra import Spine
from planning_core.cement.boundary import BoundaryCheck, check_boundary
from planning_core.cement.config import CementConfig
from planning_core.cement.plan import Verdict, VolumeInterval
from planning_core.cement.planner import plan_cement
from planning_core.errors import PkpError
from planning_core.geometry import Grid
from planning_core.pipeline import NEIGHBOURS

PATIENTS = ("verse005", "totalseg_ct", "thoracic_ct", "healthy_reference")
LOSSES = (0.15, 0.30, 0.45)
ALONE, BESIDE, MOVED = "neighbours sound", "one neighbour fractured", "mask moved"
FIRST = VertebraLevel.T4


@attrs.frozen
class Case:
    """One compression and what the planner made of it.

    Args:
        group: ``ALONE``, ``BESIDE`` or ``MOVED``. grow: voxels that the mask was moved outwards.
        truth_ml: from the map. trend_ml, ellipsoid_ml: what two simpler ways would say.
    """

    patient: str
    group: str
    level: VertebraLevel
    kind: str
    loss: float
    grow: float
    truth_ml: float
    deficit: VolumeInterval
    verdict: Verdict
    boundary: BoundaryCheck
    trend_ml: float
    ellipsoid_ml: float

    @property
    def error_ml(self) -> float:
        """Stated deficit less the true one."""
        return self.deficit.value_ml - self.truth_ml

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth."""
        return self.deficit.low_ml <= self.truth_ml <= self.deficit.high_ml

    @property
    def reviewed(self) -> bool:
        """Whether a person would be asked, for whatever reason."""
        return self.verdict is not Verdict.ACCEPT

    @property
    def doubted(self) -> bool:
        """Whether the mask's boundary in particular was doubted."""
        return self.boundary.too_large or self.boundary.too_small


def main() -> int:
    """Print errors per patient, kind and loss, against two baselines, with coverage; then what becomes of moved masks."""
    parser = argparse.ArgumentParser(prog="pkp bench cement")
    parser.add_argument("--patients", nargs="*", default=PATIENTS)
    parser.add_argument("--quick", action="store_true", help="one loss and every third level only")
    given = parser.parse_args()
    print(
        f"{'deficit':44s} {'n':>4s} {'truth':>6s} {'med.err':>8s} {'med.%':>6s} {'p95.%':>6s} {'bias':>6s} {'cover':>6s} "
        f"{'review':>7s} | baselines, med.err ml: volume trend, ellipsoid"
    )
    cases: list[Case] = []
    for patient in given.patients:  # each patient's rows as soon as they are known: all take half an hour
        own = list(patient_cases(patient, given.quick))
        for group in (ALONE, BESIDE):
            print_errors(f"{patient}, {group}", [c for c in own if c.group == group])
        cases += own
    alone, beside, moved = ([c for c in cases if c.group == group] for group in (ALONE, BESIDE, MOVED))
    for kind in KINDS:
        print_errors(f"all, {ALONE}, {kind}", [c for c in alone if c.kind == kind])
    for loss in LOSSES:
        print_errors(f"all, {ALONE}, {loss:.0%}", [c for c in alone if c.loss == loss])
    print_errors(f"all, {ALONE}", alone)
    print_errors(f"all, {BESIDE}", beside)
    print("targets: median error <= 0.7 ml and <= 12 %, 95th percentile <= 25 %, cover >= 90 %")
    print(f"\n{'boundary':36s} {'n':>4s} {'shift mm':>14s} {'limit':>6s} {'doubted':>8s} {'review':>7s} {'cover':>6s}")
    for patient in given.patients:
        for name, some, grow in (("sound", alone, 0.0), ("half a voxel out", moved, 0.5), ("half a voxel in", moved, -0.5)):
            print_boundaries(f"{patient}, {name}", [c for c in some if c.patient == patient and c.grow == grow])
    print("targets: review of every moved mask; few sound ones doubted")
    return 0


def patient_cases(patient: str, quick: bool) -> Iterator[Case]:
    """All cases of one patient: every level from T4 down with both neighbours there and no fracture of its own."""
    segmentation = LabelFileSegmenter(shared(MASKS[patient])).read()
    spine, native = model_spine(segmentation, None), segmentation.grid
    again, config = as_drawn_again(spine, native), AnatomyConfig()
    for level in spine.levels[:: 3 if quick else 1]:
        beside = [v for v in spine.levels if abs(v.ordinal - level.ordinal) == 1]
        if level.ordinal < FIRST.ordinal or len(beside) < 2 or is_suspect(level, spine.vertebrae, config):
            continue
        print(f"# {patient} {level.value}", file=sys.stderr, flush=True)
        hurt = _fractured(spine, beside[-1], native, again)
        for kind in KINDS:
            for loss in (0.30,) if quick else LOSSES:
                broken = _compressed(spine, level, kind, loss, native, again)
                if broken is None:
                    continue
                yield from _case(patient, ALONE, broken, kind, loss)
                if loss == 0.30 and hurt is not None:
                    both = {**hurt.vertebrae, level: broken.spine.vertebrae[level]}
                    yield from _case(patient, BESIDE, attrs.evolve(broken, spine=Spine(both, {})), kind, loss)
        for grow in (-0.5, 0.5):
            broken = _compressed(spine, level, "wedge", 0.30, native, again, grow)
            if broken is not None:
                yield from _case(patient, MOVED, broken, "wedge", 0.30, grow)


def print_errors(name: str, cases: Sequence[Case]) -> None:
    """One row of the first table."""
    if not cases:
        return
    truth = np.array([c.truth_ml for c in cases])
    error = np.array([c.error_ml for c in cases])
    relative = 100 * np.abs(error) / truth
    trend, ellipsoid = (
        np.median(np.abs([c.trend_ml for c in cases] - truth)),
        np.median(np.abs([c.ellipsoid_ml for c in cases] - truth)),
    )
    print(
        f"{name:44s} {len(cases):4d} {truth.mean():6.2f} {np.median(np.abs(error)):8.2f} {np.median(relative):6.1f} "
        f"{np.percentile(relative, 95):6.1f} {error.mean():+6.2f} {np.mean([c.covered for c in cases]):6.0%} "
        f"{np.mean([c.reviewed for c in cases]):7.0%} | {trend:.2f} {ellipsoid:.2f}",
        flush=True,
    )


def print_boundaries(name: str, cases: Sequence[Case]) -> None:
    """One row of the second table."""
    if not cases:
        return
    shift = np.array([c.boundary.shift_mm for c in cases])
    print(
        f"{name:36s} {len(cases):4d} {shift.mean():+6.2f} ± {shift.std():4.2f} {cases[0].boundary.limit_mm:7.2f} "
        f"{np.mean([c.doubted for c in cases]):8.0%} {np.mean([c.reviewed for c in cases]):7.0%} "
        f"{np.mean([c.covered for c in cases]):6.0%}"
    )


def _fractured(spine: Spine, level: VertebraLevel, native: Grid, among: Spine) -> Spine | None:
    broken = _compressed(spine, level, "wedge", 0.35, native, among)
    return None if broken is None else broken.spine


def _compressed(
    spine: Spine, level: VertebraLevel, kind: str, loss: float, native: Grid, among: Spine, grow: float = 0.0
) -> Compressed | None:
    try:
        return compress(spine, level, kind, loss, native, grow, among)
    except PkpError as error:
        print(f"# {level.value} {kind} {loss:.0%}: {type(error).__name__} {error.message}")
        return None


def _case(patient: str, group: str, broken: Compressed, kind: str, loss: float, grow: float = 0.0) -> Iterator[Case]:
    """Plan it as the product would, from the levels within its reach."""
    level = broken.level
    near = {v: one for v, one in broken.spine.vertebrae.items() if abs(v.ordinal - level.ordinal) <= NEIGHBOURS}
    spine = Spine(near, assess(near, AnatomyConfig()))
    try:
        plan = plan_cement(spine, level)
    except PkpError as error:
        print(f"# {level.value} {kind} {loss:.0%}, {group}: {type(error).__name__} {error.message}")
        return
    target = near[level]
    boundary = check_boundary(target, [near[v] for v in plan.neighbours], CementConfig())
    others = [v for v in near if abs(v.ordinal - level.ordinal) == 1]
    trend = float(np.mean([near[v].body_volume_ml for v in others])) - plan.collapsed_body_ml
    columns = (target.body.values < 0).any(axis=0)
    area = float(columns.sum()) * float(np.prod(target.body.grid.spacing_mm[:2]))
    expected, own = plan.self_check.expected, target.heights
    lost = np.mean(
        [expected.anterior_mm - own.anterior_mm, expected.middle_mm - own.middle_mm, expected.posterior_mm - own.posterior_mm]
    )
    ellipsoid = float(max(lost, 0)) * area / 1000
    yield Case(
        patient, group, level, kind, loss, grow, broken.truth_ml, plan.deficit, plan.verdict, boundary, max(trend, 0.0), ellipsoid
    )


if __name__ == "__main__":
    raise SystemExit(main())
