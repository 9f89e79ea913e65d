"""From shapes in correspondence to a region's model: few spines, so their variance is joined by what else is known.

The covariance is a sum of kernels (Lüthi et al. 2018): the region's own vertebrae and their mirror images, the other regions'
about their own means, and published measures' spread. Its leading fifteen modes are the model.
"""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.anatomy.shape_model.model import MOST_MODES, ShapeModel
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.training.anatomy import find_anatomy
from planning_core.anatomy.shape_model.training.collapse_modes import collapse_modes
from planning_core.anatomy.shape_model.training.correspondence import Correspondence
from planning_core.anatomy.shape_model.training.population import population_fields
from planning_core.anatomy.shape_model.training.statistics import Aligned, align, modes_of, without_similarity
from planning_core.anatomy.shape_model.training.surfaces import NoShapesError
from planning_core.geometry.arrays import FloatArray

LEAST_SHAPES = 2
LOG_SCALE_FLOOR = 0.06
"""People differ more in size than a handful of spines does: one sigma of the scale is at least this."""


@attrs.frozen
class Kernels:
    """How much each source of variance counts. ``own`` is 1 by definition: what the region's vertebrae show."""

    others: float = 0.5
    population: float = 2.0


def learn(known: Correspondence, region: Region, without: str = "", kernels: Kernels | None = None) -> ShapeModel:
    """The model of a region.

    Args:
        without: a patient to leave out. kernels: what counts how much.

    Raises:
        NoShapesError: fewer than two sound vertebrae of the region.
    """
    kernels = kernels or Kernels()
    own = _aligned(known, region, without)
    if own is None:
        raise NoShapesError(f"fewer than {LEAST_SHAPES} vertebrae of {region.value} to learn from", folder="", levels=[])
    mean = known.template.symmetric(own.mean)
    found = find_anatomy(region, mean, known.template.triangles)
    factors = [_residuals(own)]
    for other in Region:
        laid = _aligned(known, other, without) if other is not region else None
        if laid is not None:
            size = np.linalg.norm(mean - mean.mean(axis=0)) / np.linalg.norm(laid.mean - laid.mean.mean(axis=0))
            factors.append(np.sqrt(kernels.others / (len(Region) - 1)) * size * _residuals(laid))
    fields = population_fields(mean, float(found.wall[0]), found.isthmus)
    factors.append(np.sqrt(kernels.population) * fields)
    modes, sigma = modes_of(without_similarity(np.concatenate(factors), mean), MOST_MODES)
    left = (own.shapes - mean).reshape(len(own.shapes), -1)
    flat = modes.reshape(len(modes), -1)
    projected = left @ flat.T / len(mean)
    rest = left - projected @ flat
    steps = np.array([known.levels[n].ordinal - region.middle for n in _chosen(known, region, without)])
    return ShapeModel(
        region=region,
        mean=mean,
        triangles=known.template.triangles,
        mirror=known.template.mirror,
        modes=modes,
        sigma_mm=sigma,
        rest_mm=float(np.sqrt((rest**2).sum(axis=1).mean() / len(mean))),
        log_scale_sigma=max(LOG_SCALE_FLOOR, float(own.log_scale.std())),
        trend=_trend(projected / sigma, own.log_scale, np.tile(steps, 2)),
        collapse=collapse_modes(mean, known.template.triangles, found.parts, found.wall),
        parts=found.parts,
        landmarks=known.landmarks,
        rims=found.rims,
        pedicles=found.pedicles,
        pedicle_width_mm=found.pedicle_width_mm,
        canal=found.canal,
    )


def _chosen(known: Correspondence, region: Region, without: str) -> list[int]:
    """Which vertebrae a region's model is learned from."""
    return [
        n
        for n, (patient, level, sound) in enumerate(zip(known.patients, known.levels, known.sound, strict=True))
        if sound and patient != without and Region.of(level) is region
    ]


def _aligned(known: Correspondence, region: Region, without: str) -> Aligned | None:
    """The region's vertebrae and their mirror images, laid over each other; ``None`` where there are too few."""
    chosen = [known.shapes[n] for n in _chosen(known, region, without)]
    if len(chosen) < LEAST_SHAPES:
        return None
    return align([*chosen, *(known.template.mirrored(shape) for shape in chosen)])


def _trend(weights: FloatArray, log_scale: FloatArray, steps: FloatArray) -> FloatArray:
    """(2, k + 1) lines through weights (s, k) and log scales (s,) over places (s,) about the region's middle, least squares.

    The slope is held towards none as by one vertebra at each end: two or three patients show their own differences as well.
    """
    values = np.column_stack([weights, log_scale])
    design = np.column_stack([np.ones(len(steps)), steps])
    return np.asarray(np.linalg.solve(design.T @ design + np.diag([0.0, 2 * steps.max() ** 2 + 1e-9]), design.T @ values))


def _residuals(laid: Aligned) -> FloatArray:
    """Factors of the sample covariance."""
    return np.asarray((laid.shapes - laid.mean) / np.sqrt(len(laid.shapes) - 1))
