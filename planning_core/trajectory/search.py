"""The best straight line through a corridor: all of a coarse grid, then a local descent from the best few."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from scipy.optimize import minimize

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.corridor import Corridor

ISTHMUS_STEPS = np.arange(-3.0, 3.1, 1.5)
STARTS = 3


@attrs.frozen(eq=False)
class Line:
    """A straight path in the vertebra's frame: the point it passes at the isthmus, its tip, and what it is worth."""

    through: FloatArray
    target: FloatArray
    cost: float
    clearance_mm: float
    canal_mm: float
    body_mm: float


def best_line(
    corridor: Corridor, wanted: FloatArray, radius_mm: float, config: TrajectoryConfig, lateral_mm: float = 0.0
) -> Line:
    """Search entry and tip together.

    Args:
        wanted: (3,) where the tip should be. lateral_mm: shift of the isthmus search (extrapedicular).

    The cost falls with clearance to the wall (up to 3 mm), to the canal and within the body, and rises with the way from
    the wanted tip and with angles outside their limits. Same input, same line.
    """
    u, v = np.meshgrid(ISTHMUS_STEPS, ISTHMUS_STEPS, indexing="ij")
    centre = corridor.centre + np.array([corridor.sign * lateral_mm, 0.0, 0.0])
    through = centre + np.stack([u.ravel(), np.zeros(u.size), v.ravel()], axis=1)
    spread = [np.arange(-9, 9.1, 3.0), np.arange(-6, 6.1, 4.0), np.arange(-9, 9.1, 3.0)]
    tips = wanted + np.stack([a.ravel() for a in np.meshgrid(*spread, indexing="ij")], axis=1)
    tips = tips[-corridor.vertebra.whole.at(tips) > radius_mm]
    if len(tips) == 0:
        tips = wanted[None]
    pairs = np.array([(a, b) for a in range(len(through)) for b in range(len(tips))])
    cost = _cost(corridor, through[pairs[:, 0]], tips[pairs[:, 1]], wanted, radius_mm, config)
    order = np.argsort(cost, kind="stable")
    starts: list[np.ndarray] = [pairs[order[0]]]
    for candidate in order[1:400]:
        pair = pairs[candidate]
        if len(starts) < STARTS and all(np.linalg.norm(tips[pair[1]] - tips[s[1]]) > 4 for s in starts):
            starts.append(pair)
    return min(
        (_descend(corridor, through[a], tips[b], wanted, radius_mm, config) for a, b in starts), key=lambda line: line.cost
    )


def _descend(
    corridor: Corridor, through: FloatArray, tip: FloatArray, wanted: FloatArray, radius_mm: float, config: TrajectoryConfig
) -> Line:
    start = np.array([through[0], through[2], *tip])

    def cost(x: FloatArray) -> float:
        point = np.array([[x[0], through[1], x[1]]])
        return float(_cost(corridor, point, x[None, 2:], wanted, radius_mm, config)[0])

    simplex = start + np.vstack([np.zeros(5), np.diag([1.0, 1.0, 2.0, 2.0, 2.0])])
    solved = minimize(
        cost, start, method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 160, "xatol": 0.05, "fatol": 1e-3}
    )
    point, target = np.array([solved.x[0], through[1], solved.x[1]]), solved.x[2:]
    pedicle, canal, body = corridor.clearances(point[None], target[None], radius_mm)
    return Line(point, target, float(solved.fun), float(pedicle[0]), float(canal[0]), float(body[0]))


def _cost(
    corridor: Corridor,
    through: FloatArray,
    target: FloatArray,
    wanted: FloatArray,
    radius_mm: float,
    config: TrajectoryConfig,
) -> FloatArray:
    pedicle, canal, body = corridor.clearances(through.copy(), target.copy(), radius_mm)
    tip = -corridor.vertebra.whole.at(target)
    ahead = target - through
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    convergence = np.degrees(np.arctan2(-corridor.sign * ahead[:, 0], -ahead[:, 1]))
    sagittal = np.degrees(np.arctan2(-ahead[:, 2], -ahead[:, 1]))
    cost = -2.0 * np.clip(pedicle, -6, 3) - 0.6 * np.clip(canal, -6, 4)
    cost += 6.0 * _short(canal, config.least_canal_mm) + 3.0 * _short(body, config.body_margin_mm)
    cost += 2.0 * _short(tip, config.tip_margin_mm) + 4.0 * _short(pedicle, config.least_clearance_mm)
    cost += 0.02 * ((target - wanted) ** 2 @ np.array([1.0, 1.0, 0.5]))
    cost += 0.3 * (_outside(convergence, config.convergence_deg) + _outside(sagittal, config.sagittal_deg))
    return np.asarray(cost)


def _short(value: FloatArray, least: float) -> FloatArray:
    return np.clip(least - value, 0, 8)


def _outside(value: FloatArray, limits: Sequence[float]) -> FloatArray:
    return np.maximum(limits[0] - value, 0) + np.maximum(value - limits[1], 0)
