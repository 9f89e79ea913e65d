"""Gertzbein–Robbins grade and the bone left in each direction at the tightest section."""

from __future__ import annotations

import numpy as np

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


def wall_margins(corridor: Corridor, lines: Lines, radius_mm: float, guarded: bool = True) -> WallMargins:
    """From the cannula's surface to the wall along four rays across the path at its tightest section, mm.

    Negative where the cannula is outside: the way it would have to move back. No further than ``RAY_MM`` is looked.

    Args:
        lines: the first is measured. guarded: whether the wall is the pedicle's; else (extrapedicular) it is the canal's.
    """
    room = corridor.wall_depth if guarded else corridor.canal_distance
    back, front, _ = pedicle_stretch(corridor, lines)
    stretch = back[:, None] + (front - back)[:, None] * np.linspace(0, 1, FINE.pedicle)
    points = along(lines.gate, lines.direction, stretch)[0]
    point = points[room(points).argmin()]
    direction = lines.direction[0]
    margins = {}
    steps = np.arange(0, RAY_MM, RAY_STEP_MM)
    for name, towards in (("medial", [-1.0, 0, 0]), ("lateral", [1.0, 0, 0]), ("cranial", [0, 0, 1.0]), ("caudal", [0, 0, -1.0])):
        ray = np.asarray(towards) - (np.asarray(towards) @ direction) * direction
        ray /= np.linalg.norm(ray)
        left = room(point + steps[:, None] * ray)
        if left[0] <= 0:  # outside: how far back, the other way
            back_in = room(point - steps[:, None] * ray) > 0
            reach = -float(steps[back_in.argmax()]) if back_in.any() else -RAY_MM
        else:
            reach = float(steps[(left <= 0).argmax()]) if (left <= 0).any() else RAY_MM
        margins[name + "_mm"] = reach - radius_mm
    return WallMargins(**margins)
