"""How well the shape models describe vertebrae they have not seen: ``./pkp bench shape_model``.

Leave-one-patient-out: every vertebra is fitted by a model that its patient had no part in. Compactness: share of the variance in the
leading modes. Generality: distance between fit and vertebra, both ways, and Dice of the two as voxels. Specificity: how far random
shapes of the model lie from the nearest vertebra it was learned from (Davies et al. 2002). Fractured bodies with and without modes of
collapse; healthy ones compressed by a known loss.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from benchmarks.cases import shared
from benchmarks.shape_scores import Score, compressed, landmark_errors_mm, lost_at_front_and_middle, score, specificity_mm
from planning_core.anatomy.collapse import KINDS
from planning_core.anatomy.shape_model.fit import fit_surface
from planning_core.anatomy.shape_model.model import ShapeInstance, ShapeModel
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.surface import PointSurface
from planning_core.anatomy.shape_model.training.correspondence import Correspondence, correspond, shipped_shapes
from planning_core.anatomy.shape_model.training.learning import Kernels, learn
from planning_core.anatomy.shape_model.training.surfaces import NoShapesError, Subject, shared_subjects

FRACTURED = (("verse012", "L1"), ("verse013", "L1"), ("verse024", "L1"))
COMPRESSED = (
    ("healthy_reference", "L2"),
    ("thoracic_ct", "T8"),
    ("thoracic_ct", "T12"),
    ("totalseg_ct", "L1"),
    ("verse005", "L1"),
    ("verse005", "L3"),
)
LOSS = 0.35
COUNTS = (5, 15)

Case = tuple[Subject, ShapeModel, PointSurface]


def held_out(known: Correspondence, subjects: Sequence[Subject], kernels: Kernels) -> Iterator[Case]:
    """Every vertebra with the model of its region without its patient, and its surface; none where too few are left to learn from."""
    models: dict[tuple[str, Region], ShapeModel | None] = {}
    for subject in subjects:
        key = (subject.patient, Region.of(subject.level))
        if key not in models:
            try:
                models[key] = learn(known, key[1], subject.patient, kernels)
            except NoShapesError as error:
                print(f"  left out: {subject.patient}, {error.message}", file=sys.stderr, flush=True)
                models[key] = None
        model = models[key]
        if model is not None:
            yield subject, model, PointSurface.of_field(subject.vertebra.whole)


def report_models(known: Correspondence, kernels: Kernels) -> None:
    """What the models are made of: compactness and specificity."""
    print(f"{len(known.shapes)} vertebrae of {len(set(known.patients))} patients, {int(known.sound.sum())} sound\n")
    print("| region | vertebrae (patients) | modes | variance of 5 / 10 | specificity mm |\n|---|---|---|---|---|")
    for region in Region:
        rows = [p for p, v, ok in zip(known.patients, known.levels, known.sound, strict=True) if ok and Region.of(v) is region]
        model = learn(known, region, "", kernels)
        share = np.cumsum(model.sigma_mm**2) / (model.sigma_mm**2).sum()
        made_of = f"{len(rows)} ({len(set(rows))}) | {model.mode_count} | {share[4]:.0%} / {share[9]:.0%}"
        print(f"| {region.value} | {made_of} | {specificity_mm(model, known):.2f} |")


def report_generality(cases: Sequence[Case]) -> None:
    """Fits of sound vertebrae."""
    scores: dict[tuple[Region, int], list[Score]] = {}
    for subject, model, surface in cases:
        for count in COUNTS if subject.sound else ():
            found = fit_surface(model.leading(count), surface, with_collapse=False)
            scores.setdefault((model.region, count), []).append(score(found, subject, surface))
            if count == COUNTS[-1]:
                print(
                    f"  {subject.patient} {subject.level.value}: {scores[model.region, count][-1]}", file=sys.stderr, flush=True
                )
    print("\nSound vertebrae, leave-one-patient-out:\n")
    print("| region | modes | n | mean mm | HD95 mm | Dice | pedicle mm | axes in bone |\n|---|---|---|---|---|---|---|---|")
    for (region, count), all_ in sorted(scores.items(), key=lambda item: (list(Region).index(item[0][0]), item[0][1])):
        table = np.array([attrs.astuple(s) for s in all_])
        mean, hd95, dice, _, deep = np.nanmean(table, axis=0)
        pedicle = np.nanmedian(table[:, 3])
        print(f"| {region.value} | {count} | {len(all_)} | {mean:.2f} | {hd95:.2f} | {dice:.3f} | {pedicle:.2f} | {deep:.0%} |")


def report_fractured(cases: Sequence[Case]) -> None:
    """Fits of bodies that broke."""
    print("\nFractured, leave-one-patient-out:\n")
    print("| case | collapse | mean mm | HD95 mm | Dice | wedge, biconcave, crush |\n|---|---|---|---|---|---|")
    for subject, model, surface in cases:
        if (subject.patient, subject.level.value) in FRACTURED:
            for how in ("without", "with"):
                found = fit_surface(model, surface, with_collapse=how == "with")
                print(_row(f"{subject.patient} {subject.level.value}", how, found, score(found, subject, surface)))


def report_compressed(cases: Sequence[Case]) -> None:
    """Fits of sound bodies compressed by a known map; a loss of none shows what is seen where nothing is."""
    rows = []
    for subject, model, _ in cases:
        if (subject.patient, subject.level.value) not in COMPRESSED:
            continue
        for kind, loss in (("none", 0.0), *((kind, LOSS) for kind in KINDS)):
            case = compressed(subject, KINDS[0] if kind == "none" else kind, loss)
            surface = PointSurface.of_field(case.vertebra.whole)
            without, collapsed = (fit_surface(model, surface, with_collapse=c) for c in (False, True))
            gap = lost_at_front_and_middle(collapsed.fracture) - lost_at_front_and_middle([loss * (kind == k) for k in KINDS])
            rows.append((kind, *gap, *(score(found, case, surface).mean_mm for found in (without, collapsed))))
    print(
        f"\nCompressed by {LOSS:.0%}, leave-one-patient-out, {len(COMPRESSED)} vertebrae (share of height lost, found less true):\n"
    )
    print("| kind | front | middle | mean mm without / with |\n|---|---|---|---|")
    for kind in ("none", *KINDS):
        table = np.array([row[1:] for row in rows if row[0] == kind])
        (front, middle, without_mm, with_mm), sd = table.mean(axis=0), table.std(axis=0)
        print(f"| {kind} | {front:+.2f} ± {sd[0]:.2f} | {middle:+.2f} ± {sd[1]:.2f} | {without_mm:.2f} / {with_mm:.2f} |")


def _row(case: str, how: str, found: ShapeInstance, s: Score) -> str:
    shares = ", ".join(f"{share:.2f}" for share in found.fracture)
    return f"| {case} | {how} | {s.mean_mm:.2f} | {s.hd95_mm:.2f} | {s.dice:.3f} | {shares} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./pkp bench shape_model", description=__doc__)
    parser.add_argument("--redraw", action="store_true", help="draw the mesh over every vertebra anew (minutes)")
    parser.add_argument("--others", type=float, default=Kernels().others, help="how much the other regions' variance counts")
    parser.add_argument("--population", type=float, default=Kernels().population, help="how much published measures' spread does")
    given = parser.parse_args(arguments)
    subjects = list(shared_subjects(shared("")))
    known = correspond(subjects) if given.redraw else shipped_shapes()
    kernels = Kernels(given.others, given.population)
    report_models(known, kernels)
    cases = list(held_out(known, subjects, kernels))
    report_fractured(cases)
    report_compressed(cases)
    marks = landmark_errors_mm(known, subjects)
    print("\nLandmarks against an expert's: " + ", ".join(f"{patient} {mm:.1f} mm" for patient, mm in marks.items()))
    report_generality(cases)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
