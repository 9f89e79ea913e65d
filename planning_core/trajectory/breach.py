"""How likely a path leaves the pedicle, given the errors between plan and needle."""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.plan import BreachGrade, ErrorBudget

GRADE_LIMITS_MM = (2.0, 4.0, 6.0)


def grade(clearance_mm: float) -> BreachGrade:
    """Gertzbein and Robbins (1990) by the deepest breach of the cannula's surface: A none, B < 2, C < 4, D < 6, E from 6 mm."""
    if clearance_mm >= 0:
        return BreachGrade.A
    steps = (BreachGrade.B, BreachGrade.C, BreachGrade.D, BreachGrade.E)
    return steps[int(np.searchsorted(GRADE_LIMITS_MM, -clearance_mm, side="right"))]


def breach_probability(
    corridor: Corridor, entry: FloatArray, target: FloatArray, radius_mm: float, budget: ErrorBudget, samples: int, seed: int
) -> float:
    """Share of perturbed paths whose surface leaves bone in the pedicle or comes into the canal.

    The whole path is shifted (registration, tracker and arm added in squares), turned about its entry, and the wall itself
    is moved by the segmentation error; the same draws for the same seed.
    """
    rng = np.random.default_rng(seed)
    axis = (target - entry) / np.linalg.norm(target - entry)
    steps = np.linspace(0, 1, 60)[:, None]
    line = entry + steps * (target - entry)
    behind = corridor.behind_wall(line)
    zone = line[(behind >= 0) & (behind <= corridor.zone_mm)]
    shift = rng.normal(0, np.sqrt(budget.registration_mm**2 + budget.tracker_mm**2 + budget.arm_mm**2), (samples, 1, 3))
    turn = rng.normal(0, np.radians(budget.angle_deg), (samples, 1, 3))
    wall = rng.normal(0, budget.segmentation_mm, (samples, 1))
    turn -= (turn @ axis)[..., None] * axis
    moved = zone[None] + shift + np.cross(turn, (zone - entry)[None])
    outside = corridor.vertebra.whole.at(moved) + radius_mm + wall > 0
    into_canal = corridor.vertebra.canal.at(moved) - radius_mm < 0
    return float((outside | into_canal).any(axis=1).mean())
