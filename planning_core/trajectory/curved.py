"""The curved path: straight through the pedicle, then bent inside the body to the other half."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.cost import Task, short
from planning_core.trajectory.measures import AHEAD_MM, COARSE, Lines, along, measure_pedicle, pedicle_stretch
from planning_core.trajectory.search import tip_lattice

BEND_STEP_MM = 1.5
BEHIND_WALL_MM = 2.0


@attrs.frozen(eq=False)
class Curve:
    """A bent path: the cannula's straight line, the bend and the tip (lateral coordinates), with its least margins in mm."""

    lines: Lines
    bend: FloatArray
    tip: FloatArray
    bend_deg: float
    endplate_mm: float
    body_mm: float
    ahead_mm: float
    canal_mm: float


def search_curve(task: Task, straight: Lines) -> Curve | None:
    """The best bend and tip beyond the midline for a given straight way through the pedicle; ``None`` where nothing is allowed.

    Args:
        task: of kind CURVED, its aim in the other half. straight: one line, the transpedicular path of this side.
    """
    corridor, config, weights, r = task.corridor, task.config, task.config.weights, task.radius_mm
    tips = tip_lattice(task)
    _, front, _ = pedicle_stretch(corridor, straight)
    direction = straight.direction[0]
    reach = float(np.linalg.norm(straight.tip[0] - straight.gate[0]))
    bends = along(straight.gate, straight.direction, np.arange(front[0] + BEHIND_WALL_MM, reach + 1e-6, BEND_STEP_MM))[0]
    if not len(tips) or not len(bends):
        return None
    bend = np.repeat(bends, len(tips), axis=0)
    tip = np.tile(tips, (len(bends), 1))
    way = tip - bend
    length = np.linalg.norm(way, axis=1)
    onward = way / length[:, None]
    angle = np.degrees(np.arccos(np.clip(onward @ direction, -1, 1)))
    points = bend[:, None] + way[:, None] * np.linspace(0, 1, COARSE.body * 2)[:, None]
    endplate = corridor.endplate_distance(points).min(axis=1) - r
    body = corridor.depth(points).min(axis=1) - r
    # bend points near the posterior wall are near the canal: the second stretch must not turn back to it
    canal = corridor.canal_distance(points).min(axis=1) - r
    steps = np.arange(0, AHEAD_MM, 0.75)
    outside = corridor.depth(along(tip, onward, steps)) <= 0
    ahead = np.where(outside.any(axis=1), steps[outside.argmax(axis=1)], AHEAD_MM)
    allowed = (
        (angle <= config.largest_bend_deg)
        & (length <= config.longest_curve_mm)
        & (endplate >= config.least_endplate_mm)
        & (body >= config.least_endplate_mm)
        & (canal >= task.config.least_canal_mm)
        & (ahead >= config.least_anterior_mm)
    )
    if not allowed.any():
        return None
    cost = weights.target * ((tip - task.aim) ** 2).sum(axis=1) + weights.bend * short(-config.largest_bend_deg / 2, -angle)
    cost += weights.endplate * short(config.comfortable_endplate_mm, endplate) + weights.anterior * short(
        config.anterior_margin_mm, ahead
    )
    cost += weights.canal * short(config.comfortable_canal_mm, canal)
    best = int(np.where(allowed, cost, np.inf).argmin())
    pedicle = measure_pedicle(corridor, straight)
    return Curve(
        Lines(straight.gate, bend[best : best + 1]),
        bend[best],
        tip[best],
        float(angle[best]),
        float(endplate[best]),
        float(body[best]),
        float(ahead[best]),
        float(min(canal[best], pedicle.canal_mm[0] - r)),
    )
