"""How well the shape models describe vertebrae they have not seen: ``./pkp bench shape_model``.

Leave-one-patient-out: every vertebra is fitted by a model that its patient had no part in. Compactness: share of the variance in the
leading modes. Generality: distance between fit and vertebra, both ways, and Dice of the two as voxels. Specificity: how far random
shapes of the model lie from the nearest vertebra it was learned from (Davies et al. 2002). Fractured bodies with and without modes of
collapse; collapses made by the shared map with known loss.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from benchmarks.cases import shared
from planning_core.anatomy.collapse import KINDS
from planning_core.anatomy.shape_model.fit import fit_surface
from planning_core.anatomy.shape_model.model import ShapeInstance, ShapeModel
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.surface import PointSurface
from planning_core.anatomy.shape_model.training.anatomy import field_of
from planning_core.anatomy.shape_model.training.correspondence import Correspondence, correspond, shipped_shapes
from planning_core.anatomy.shape_model.training.learning import Kernels, learn
from planning_core.anatomy.shape_model.training.statistics import onto
from planning_core.anatomy.shape_model.training.surfaces import Subject, shared_subjects
from planning_core.anatomy.vertebra import Side
from planning_core.errors import PkpError
from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.solid import inside_mesh

FRACTURED = ("verse012", "verse013", "verse024")
"""Whose L1 has collapsed."""
SAMPLES = 100
COUNTS = (5, 10, 15)


@attrs.frozen
class Score:
    """How near a fit comes to a vertebra: mean and 95th percentile of the distance both ways, mm; Dice; pedicles' axes, mm."""

    mean_mm: float
    hd95_mm: float
    dice: float
    pedicle_mm: float


def score(found: ShapeInstance, subject: Subject, surface: PointSurface) -> Score:
    """Measure a fit against the vertebra it was fitted to."""
    whole, triangles = subject.vertebra.whole, found.model.triangles
    there = np.abs(whole.at(found.vertices))
    back = np.abs(field_of(found.vertices, triangles).at(surface.points))
    mask, fit = whole.inside(), inside_mesh(found.vertices, triangles, whole.grid)
    dice = 2 * (mask & fit).sum() / (mask.sum() + fit.sum())
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return Score(float(there.mean() + back.mean()) / 2, float(hd95), float(dice), _pedicles(found, subject))


def _pedicles(found: ShapeInstance, subject: Subject) -> float:
    """Mean distance across between the isthmus of the fit and the measured one."""
    to_frame = subject.vertebra.ct_lps_from_vertebra.inverse()
    away = []
    for side in (Side.LEFT, Side.RIGHT):
        if side in subject.vertebra.pedicles:
            entry, body = found.pedicle_axis(side)
            along = (body - entry) / np.linalg.norm(body - entry)
            gap = to_frame.apply(subject.vertebra.pedicles[side].centre_lps_mm) - (entry + body) / 2
            away.append(np.linalg.norm(gap - (gap @ along) * along))
    return float(np.mean(away)) if away else float("nan")


def specificity_mm(model: ShapeModel, known: Correspondence, without: str) -> float:
    """Mean over random shapes of the root mean square distance to the nearest learned shape, size and place taken out."""
    learned = [
        shape / np.linalg.norm(shape - shape.mean(axis=0)) * np.linalg.norm(model.mean - model.mean.mean(axis=0))
        for shape, patient, level, ok in zip(known.shapes, known.patients, known.levels, known.sound, strict=True)
        if ok and patient != without and Region.of(level) is model.region
    ]
    draws = np.random.default_rng(0).normal(size=(SAMPLES, model.mode_count))
    shapes = [model.vertices(w) for w in draws]
    return float(np.mean([min(_rms(onto(one, shape) - shape) for one in learned) for shape in shapes]))


def _rms(gap: FloatArray) -> float:
    return float(np.sqrt((gap**2).sum(axis=1).mean()))


def held_out(
    known: Correspondence, subjects: Sequence[Subject], kernels: Kernels
) -> Iterator[tuple[Subject, ShapeModel, PointSurface]]:
    """Every vertebra with the model of its region without its patient, and its surface."""
    models: dict[tuple[str, Region], ShapeModel | None] = {}
    for subject in subjects:
        key = (subject.patient, Region.of(subject.level))
        if key not in models:
            try:
                models[key] = learn(known, key[1], subject.patient, kernels)
            except PkpError:
                models[key] = None
        model = models[key]
        if model is not None:
            yield subject, model, PointSurface.of_field(subject.vertebra.whole)


def report(known: Correspondence, subjects: Sequence[Subject], kernels: Kernels) -> None:
    """Print the tables."""
    print(f"{len(known.shapes)} vertebrae of {len(set(known.patients))} patients, {int(known.sound.sum())} sound\n")
    print("| region | vertebrae (patients) | modes | variance of 5 / 10 | specificity mm |\n|---|---|---|---|---|")
    for region in Region:
        rows = [p for p, v, ok in zip(known.patients, known.levels, known.sound, strict=True) if ok and Region.of(v) is region]
        model = learn(known, region, "", kernels)
        share = np.cumsum(model.sigma_mm**2) / (model.sigma_mm**2).sum()
        print(
            f"| {region.value} | {len(rows)} ({len(set(rows))}) | {model.mode_count} | {share[4]:.0%} / {share[9]:.0%} "
            f"| {specificity_mm(model, known, ''):.2f} |"
        )
    scores: dict[tuple[Region, int], list[Score]] = {}
    broken: list[str] = []
    for subject, model, surface in held_out(known, subjects, kernels):
        if subject.sound:
            for count in (0, *COUNTS):
                found = fit_surface(model.leading(count), surface, with_collapse=False)
                scores.setdefault((model.region, count), []).append(score(found, subject, surface))
            print(
                f"  {subject.patient} {subject.level.value}: {scores[model.region, COUNTS[-1]][-1]}", file=sys.stderr, flush=True
            )
        elif subject.patient in FRACTURED and subject.level.value == "L1":
            for collapse in (False, True):
                found = fit_surface(model, surface, with_collapse=collapse)
                broken.append(
                    _row(f"{subject.patient} L1", "with" if collapse else "without", found, score(found, subject, surface))
                )
    print(
        "\nLeave-one-patient-out:\n\n| region | modes | n | mean mm | HD95 mm | Dice | pedicle axis mm |\n|---|---|---|---|---|---|---|"
    )
    for (region, count), all_ in sorted(scores.items(), key=lambda item: (list(Region).index(item[0][0]), item[0][1])):
        table = np.array([attrs.astuple(s) for s in all_])
        mean, hd95, dice, pedicle = np.nanmean(table, axis=0)
        print(f"| {region.value} | {count} | {len(all_)} | {mean:.2f} | {hd95:.2f} | {dice:.3f} | {pedicle:.2f} |")
    print(
        "\nFractured, held out:\n\n| case | collapse | mean mm | HD95 mm | Dice | wedge, biconcave, crush |\n|---|---|---|---|---|---|"
    )
    print("\n".join(broken))


def _row(case: str, how: str, found: ShapeInstance, s: Score) -> str:
    shares = ", ".join(f"{kind} {share:.2f}" for kind, share in zip(KINDS, found.fracture, strict=True))
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
    report(known, subjects, Kernels(given.others, given.population))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
