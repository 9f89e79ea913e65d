"""Gertzbein–Robbins grade and the bone left in each direction at the tightest section."""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.measures import FINE, Lines, along, pedicle_stretch
from planning_core.trajectory.plan import BreachGrade, WallMargins

RAY_MM = 20.0
RAY_STEP_MM = 0.1
BREACH_LIMITS_MM = ((0.0, BreachGrade.A), (2.0, BreachGrade.B), (4.0, BreachGrade.C), (6.0, BreachGrade.D))


def grade(clearance_mm: float) -> BreachGrade:
    """Grade of a path by its clearance: a breach of 0 is A, below 2, 4, 6 mm B, C, D, else E (Gertzbein and Robbins 1990)."""
    breach = max(-clearance_mm, 0.0)
    if breach == 0.0:
        return BreachGrade.A
    return next((letter for limit, letter in BREACH_LIMITS_MM[1:] if breach < limit), BreachGrade.E)


def tightest_section(corridor: Corridor, lines: Lines) -> FloatArray:
    """(3,) point of the first line's axis where the pedicle leaves least bone, lateral coordinates."""
    back, front, _ = pedicle_stretch(corridor, lines)
    points = along(lines.gate, lines.direction, back[:, None] + (front - back)[:, None] * np.linspace(0, 1, FINE.pedicle))[0]
    return np.asarray(points[corridor.depth(points).argmin()])


def wall_margins(corridor: Corridor, lines: Lines, radius_mm: float) -> WallMargins:
    """Bone from the cannula's surface to the wall along four rays across the path at its tightest section, mm.

    Negative where the cannula is outside: the way it would have to move back.
    """
    point = tightest_section(corridor, lines)
    direction = lines.direction[0]
    margins = {}
    steps = np.arange(0, RAY_MM, RAY_STEP_MM)
    for name, towards in (("medial", [-1.0, 0, 0]), ("lateral", [1.0, 0, 0]), ("cranial", [0, 0, 1.0]), ("caudal", [0, 0, -1.0])):
        ray = np.asarray(towards) - (np.asarray(towards) @ direction) * direction
        ray /= np.linalg.norm(ray)
        depth = corridor.depth(point + steps[:, None] * ray)
        if depth[0] <= 0:  # outside bone: how far back into it, the other way
            inwards = corridor.depth(point - steps[:, None] * ray) > 0
            reach = -float(steps[inwards.argmax()]) if inwards.any() else -RAY_MM
        else:
            reach = float(steps[(depth <= 0).argmax()]) if (depth <= 0).any() else RAY_MM
        margins[name + "_mm"] = reach - radius_mm
    return WallMargins(**margins)
