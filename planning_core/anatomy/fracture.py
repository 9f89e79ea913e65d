"""How far a body has collapsed, judged by the heights its neighbours lead one to expect."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from planning_core.anatomy.body import endplates
from planning_core.anatomy.body_size import measure_size
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import FractureAssessment, FractureShape, GenantGrade, Heights, Vertebra
from planning_core.geometry.arrays import FloatArray

TYPICAL_POSTERIOR_MM = {
    "T1": 16.0, "T2": 17.4, "T3": 18.0, "T4": 18.5, "T5": 18.9, "T6": 19.6, "T7": 20.1, "T8": 20.5, "T9": 21.5, "T10": 22.8,
    "T11": 23.9, "T12": 25.0, "T13": 25.5, "L1": 26.6, "L2": 27.0, "L3": 26.7, "L4": 25.8, "L5": 24.1, "L6": 24.0,
}  # fmt: skip
"""Posterior body height by level: lumbar Bonczar 2024, thoracic by Panjabi 1991's steps from level to level. Only their
ratios between levels are used, never the heights themselves."""

TYPICAL_ANTERIOR_RATIO = {
    "T1": 0.95, "T2": 0.95, "T3": 0.94, "T4": 0.94, "T5": 0.94, "T6": 0.93, "T7": 0.93, "T8": 0.94, "T9": 0.94, "T10": 0.94,
    "T11": 0.93, "T12": 0.92, "T13": 0.92, "L1": 0.92, "L2": 0.95, "L3": 1.0, "L4": 1.04, "L5": 1.14, "L6": 1.14,
}  # fmt: skip
"""Anterior over posterior height by level (lumbar: Bonczar 2024)."""

MIDDLE_COLUMN = 0.93
"""Mean column height in the middle over the mean of front and back: endplates are hollow."""


def assess(vertebrae: Mapping[VertebraLevel, Vertebra], config: AnatomyConfig) -> dict[VertebraLevel, FractureAssessment]:
    """Judge each vertebra by all the others."""
    return {level: _assess_one(level, vertebrae, config) for level in vertebrae}


def expected_heights(
    level: VertebraLevel, vertebrae: Mapping[VertebraLevel, Vertebra], config: AnatomyConfig
) -> tuple[Heights, tuple[VertebraLevel, ...], str]:
    """Heights a level would have unfractured, the levels they were read from, and how.

    Heights are divided by what is typical of their level, screened against a robust line (Theil–Sen) through all other
    levels, and the nearest sound one above and below are interpolated.
    """
    others = {v: vertebra for v, vertebra in vertebrae.items() if v is not level}  # the level is no witness on its neighbours
    ratios = _ratios(others)
    sound = [v for v in others if not _is_suspect(v, ratios, config)]
    own = vertebrae[level].heights
    if not sound:
        # nothing to compare with: the posterior wall, which mostly stands, against typical proportions
        back = own.posterior_mm
        front = back * TYPICAL_ANTERIOR_RATIO[level.value]
        return (
            Heights(max(front, own.anterior_mm), max(0.5 * (front + back) * 0.97, own.middle_mm), back),
            (),
            "own posterior wall",
        )
    above = [v for v in sound if v.ordinal < level.ordinal]
    below = [v for v in sound if v.ordinal > level.ordinal]
    chosen = [max(above, key=lambda v: v.ordinal)] if above else []
    chosen += [min(below, key=lambda v: v.ordinal)] if below else []
    weight = np.array([1 / abs(v.ordinal - level.ordinal) for v in chosen])
    relative = np.array([_relative(v, vertebrae[v].heights) for v in chosen])
    wanted = _typical(level) * (weight @ relative / weight.sum())
    how = "two neighbours" if len(chosen) == 2 else "one neighbour"
    if any(abs(v.ordinal - level.ordinal) > 1.6 for v in chosen):
        how = "level trend"
    return Heights(*(float(h) for h in wanted)), tuple(chosen), how


def is_suspect(level: VertebraLevel, vertebrae: Mapping[VertebraLevel, Vertebra], config: AnatomyConfig) -> bool:
    """Whether a level is itself too low, or too wedged, to be a reference.

    Judged by mean column heights over what is typical of the level, which vary by some 3 % between healthy neighbours.
    """
    return _is_suspect(level, _ratios(vertebrae), config)


def _ratios(vertebrae: Mapping[VertebraLevel, Vertebra]) -> dict[VertebraLevel, FloatArray]:
    """(3,) mean column heights of each over what is typical of its level."""
    return {v: _columns(vertebra) / typical_columns(v) for v, vertebra in vertebrae.items()}


def _is_suspect(level: VertebraLevel, all_ratios: Mapping[VertebraLevel, FloatArray], config: AnatomyConfig) -> bool:
    ratios = dict(all_ratios)
    own = ratios.pop(level)
    if own.min() / own.max() < config.suspect_ratio - 0.06:
        return True
    if len(ratios) < 3:
        return bool((own / np.max([*ratios.values(), own], axis=0)).min() < config.suspect_ratio - 0.06)
    places = np.array([v.ordinal for v in ratios])
    trend = np.array([theil_sen(places, np.array([r[n] for r in ratios.values()]), level.ordinal) for n in range(3)])
    return bool((own / trend).min() < config.suspect_ratio)


def typical_columns(level: VertebraLevel) -> FloatArray:
    """(3,) what mean column heights at the front, middle and back are to each other and to other levels', mm."""
    front, _, back = _typical(level)
    return np.array([front, MIDDLE_COLUMN * (front + back) / 2, back])


def _columns(vertebra: Vertebra) -> FloatArray:
    size = measure_size(vertebra)
    return np.array([size.front_mm, size.middle_mm, size.back_mm])


def theil_sen(x: FloatArray, y: FloatArray, at: float) -> float:
    """A line through points that a third of outliers does not move (Theil 1950, Sen 1968), evaluated at a place."""
    slopes = [(y[j] - y[i]) / (x[j] - x[i]) for i, j in itertools.combinations(range(len(x)), 2) if x[i] != x[j]]
    slope = float(np.median(slopes))
    return slope * at + float(np.median(y - slope * x))


def _typical(level: VertebraLevel) -> FloatArray:
    back = TYPICAL_POSTERIOR_MM[level.value]
    front = back * TYPICAL_ANTERIOR_RATIO[level.value]
    return np.array([front, 0.5 * (front + back), back])


def _relative(level: VertebraLevel, heights: Heights) -> FloatArray:
    return np.array([heights.anterior_mm, heights.middle_mm, heights.posterior_mm]) / _typical(level)


def _assess_one(level: VertebraLevel, vertebrae: Mapping[VertebraLevel, Vertebra], config: AnatomyConfig) -> FractureAssessment:
    expected, _, _ = expected_heights(level, vertebrae, config)
    own = vertebrae[level].heights
    loss = Heights(
        *(
            100 * (1 - have / want)
            for have, want in (
                (own.anterior_mm, expected.anterior_mm),
                (own.middle_mm, expected.middle_mm),
                (own.posterior_mm, expected.posterior_mm),
            )
        )
    )
    worst = max(loss.anterior_mm, loss.middle_mm, loss.posterior_mm)
    grade = GenantGrade(int(np.searchsorted(config.genant_percent, worst, side="right")))
    return FractureAssessment(level, expected, loss, grade, _shape(loss, grade), _kyphosis(level, vertebrae))


def _shape(loss: Heights, grade: GenantGrade) -> FractureShape:
    if grade is GenantGrade.NONE:
        return FractureShape.NONE
    if loss.posterior_mm > 0.6 * max(loss.anterior_mm, loss.middle_mm) and loss.posterior_mm > 12:
        return FractureShape.CRUSH
    return FractureShape.BICONCAVE if loss.middle_mm > loss.anterior_mm + 5 else FractureShape.WEDGE


def _kyphosis(level: VertebraLevel, vertebrae: Mapping[VertebraLevel, Vertebra]) -> float | None:
    """Cobb angle from the upper endplate of the vertebra above to the lower endplate of the one below, degrees."""
    above = [v for v in vertebrae if 0 < level.ordinal - v.ordinal <= 1]
    below = [v for v in vertebrae if 0 < v.ordinal - level.ordinal <= 1]
    if not above or not below:
        return None
    upper, lower = vertebrae[above[0]], vertebrae[below[0]]
    ends = (endplates(upper.body), endplates(lower.body))
    top = upper.ct_lps_from_vertebra.rotate(ends[0].normal(ends[0].top))
    bottom = lower.ct_lps_from_vertebra.rotate(ends[1].normal(ends[1].bottom))
    back, up = vertebrae[level].ct_lps_from_vertebra.rotation[:, 1], vertebrae[level].ct_lps_from_vertebra.rotation[:, 2]
    tilt = [float(np.degrees(np.arctan2(-n @ back, n @ up))) for n in (top, bottom)]
    return tilt[0] - tilt[1]
