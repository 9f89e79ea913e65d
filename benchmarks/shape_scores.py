"""Scores of a shape model's fit against the real vertebra, and of a model against what it was learned from."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from benchmarks.compression import compression
from planning_core.anatomy.collapse import KINDS, BodyBox, lost_shares
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.shape_model.model import ShapeInstance, ShapeModel
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.surface import PointSurface
from planning_core.anatomy.shape_model.training.anatomy import field_of
from planning_core.anatomy.shape_model.training.correspondence import Correspondence, place_landmarks
from planning_core.anatomy.shape_model.training.statistics import onto
from planning_core.anatomy.shape_model.training.surfaces import Subject
from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.solid import inside_mesh

DEEP_MM, REACH_MM = 1.5, 6.0
"""A cannula's radius (11 to 13 G), and half the length of a pedicle."""
SAMPLES = 100


@attrs.frozen
class Score:
    """How near a fit comes to a vertebra.

    Args:
        mean_mm, hd95_mm: mean and 95th percentile of the distance both ways. dice: of both as voxels.
        pedicle_mm: median distance of the two axes from the measured isthmus, across. in_bone: share of the two axes that run
            at least ``DEEP_MM`` deep in the real bone all along the pedicle.
    """

    mean_mm: float
    hd95_mm: float
    dice: float
    pedicle_mm: float
    in_bone: float


def score(found: ShapeInstance, subject: Subject, surface: PointSurface) -> Score:
    """Measure a fit against the vertebra it was fitted to."""
    whole, triangles = subject.vertebra.whole, found.model.triangles
    there = np.abs(whole.at(found.vertices))
    back = np.abs(field_of(found.vertices, triangles).at(surface.points))
    mask, fit = whole.inside(), inside_mesh(found.vertices, triangles, whole.grid)
    dice = 2 * (mask & fit).sum() / (mask.sum() + fit.sum())
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return Score(float(there.mean() + back.mean()) / 2, float(hd95), float(dice), *_pedicles(found, subject))


def _pedicles(found: ShapeInstance, subject: Subject) -> tuple[float, float]:
    to_frame = subject.vertebra.ct_lps_from_vertebra.inverse()
    away, deep = [], []
    for side, pedicle in measure_pedicles(subject.vertebra).items():
        entry, body = found.pedicle_axis(side)
        along = (body - entry) / np.linalg.norm(body - entry)
        gap = to_frame.apply(pedicle.centre_lps_mm) - (entry + body) / 2
        away.append(np.linalg.norm(gap - (gap @ along) * along))
        path = (entry + body) / 2 + np.linspace(-REACH_MM, REACH_MM, 33)[:, None] * along
        deep.append(subject.vertebra.whole.at(path).max() < -DEEP_MM)
    return (float(np.median(away)), float(np.mean(deep))) if away else (float("nan"), float("nan"))


def specificity_mm(model: ShapeModel, known: Correspondence) -> float:
    """Mean over random shapes of the root mean square distance to the nearest learned shape, size and place taken out."""
    learned = [
        shape / np.linalg.norm(shape - shape.mean(axis=0)) * np.linalg.norm(model.mean - model.mean.mean(axis=0))
        for shape, level, ok in zip(known.shapes, known.levels, known.sound, strict=True)
        if ok and Region.of(level) is model.region
    ]
    draws = np.random.default_rng(0).normal(size=(SAMPLES, model.mode_count))
    shapes = [model.vertices(w) for w in draws]
    return float(np.mean([min(_rms(onto(one, shape) - shape) for one in learned) for shape in shapes]))


def _rms(gap: FloatArray) -> float:
    return float(np.sqrt((gap**2).sum(axis=1).mean()))


def compressed(subject: Subject, kind: str, loss: float) -> Subject:
    """The same vertebra with its body compressed by the cement benchmark's map, which knows nothing of the model."""
    whole = subject.vertebra.whole
    how = compression(subject.vertebra, kind, loss)
    field = DistanceField(whole.at(how.source(whole.grid.all_points())), whole.grid)
    return attrs.evolve(subject, vertebra=attrs.evolve(subject.vertebra, whole=field), sound=False)


def lost_at_front_and_middle(fracture: FloatArray | Sequence[float]) -> FloatArray:
    """(2,) share of the height lost at the front and in the middle of a body of usual size, whatever kinds that is made of."""
    y = np.array([-17.0, -1.0])
    box = BodyBox(0.0, 15.0, -17.0)
    return np.asarray(sum(share * np.add(*lost_shares(kind, 0 * y, y, box)) for kind, share in zip(KINDS, fracture, strict=True)))


def landmark_errors_mm(known: Correspondence, subjects: Sequence[Subject]) -> dict[str, float]:
    """Mean distance of the landmarks from an expert's in each patient, placed by the other patients' marks."""
    shapes = {(p, v): shape for p, v, shape in zip(known.patients, known.levels, known.shapes, strict=True)}
    marked = [s for s in subjects if s.landmarks is not None]
    found = {}
    for one in marked:
        rest = [s for s in marked if s is not one]
        placed = place_landmarks(known.template, np.array([shapes[s.patient, s.level] for s in rest]), rest)
        away = shapes[one.patient, one.level][placed] - one.landmarks
        found[one.patient] = float(np.linalg.norm(away, axis=1).mean())
    return found
