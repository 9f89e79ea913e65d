"""How likely the needle leaves the pedicle, given the errors between plan and bone."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.measures import Lines, along, pedicle_stretch
from planning_core.trajectory.plan import ErrorBudget

STEP_MM = 0.8
APPROACH_MM = 10.0


@attrs.frozen
class BreachProbability:
    """Share of draws that breach, and the binomial standard error of that share."""

    value: float
    standard_error: float


Judge = Callable[[Corridor, Lines, FloatArray, float, bool, ErrorBudget, int, int], BreachProbability]
"""How likely a path breaches, asked as ``breach_probability`` is, which answers where the bone's surface is known."""


def breach_probability(
    corridor: Corridor,
    lines: Lines,
    entry: FloatArray,
    radius_mm: float,
    guarded: bool,
    budget: ErrorBudget,
    samples: int,
    seed: int,
) -> BreachProbability:
    """Probability that the cannula leaves the pedicle's wall or enters the canal.

    Monte Carlo on the distance field: each draw moves the whole path rigidly (translation, and a turn about the entry, where
    the guide stands) and moves the wall in or out along its normal (segmentation). The same seed draws the same standard
    normals whatever the budget, so a larger error never gives a smaller probability by luck of the draw.

    Args:
        lines: the first is judged. entry: (3,) lateral coordinates. guarded: whether it runs inside the pedicle; else only
            the canal counts. budget: RMS lengths (3D) and angle. samples: draws. seed: of the draws.
    """
    draws = np.random.default_rng(seed).standard_normal((samples, 6))
    moved, in_pedicle = displaced(corridor, lines, entry, budget, draws)
    needed = radius_mm + budget.segmentation_mm * draws[:, 5]
    breached = corridor.canal_distance(moved).min(axis=1) < needed
    if guarded:
        breached |= corridor.wall_depth(moved[:, :in_pedicle]).min(axis=1) < needed
    share = float(breached.mean())
    return BreachProbability(share, float(np.sqrt(share * (1 - share) / samples)))


def displaced(
    corridor: Corridor, lines: Lines, entry: FloatArray, budget: ErrorBudget, normals: FloatArray
) -> tuple[FloatArray, int]:
    """Points of the first line's way through the pedicle and the arch behind it, moved by draws of the errors.

    Args:
        normals: (samples, 5 or more) standard normals: a shift's three and a turn's two.

    Returns:
        (samples, m, 3) lateral coordinates, the pedicle's first, and how many of the m are the pedicle's.
    """
    direction, gate = lines.direction[0], lines.gate[0]
    back, front, _ = pedicle_stretch(corridor, lines)
    s_pedicle = np.linspace(back[0], front[0], max(int(np.ceil((front[0] - back[0]) / STEP_MM)), 2) + 1)
    s_approach = back[0] - np.arange(STEP_MM, APPROACH_MM, STEP_MM)
    s = np.concatenate([s_pedicle, s_approach])
    points = along(gate[None], direction[None], s)[0]
    across = np.cross(direction, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    up = np.cross(across, direction)
    spread = np.sqrt((budget.registration_mm**2 + budget.tracker_mm**2 + budget.arm_mm**2) / 3)
    tilt = np.radians(budget.angle_deg) / np.sqrt(2)
    turned = tilt * (normals[:, 3:4] * across + normals[:, 4:5] * up)
    lever = (points - entry) @ direction
    return points + spread * normals[:, None, :3] + lever[None, :, None] * turned[:, None, :], len(s_pedicle)
