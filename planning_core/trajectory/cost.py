"""What makes one path better than another, and which paths are forbidden."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.measures import Lines, PathMeasures, PedicleMeasures
from planning_core.trajectory.plan import PathKind

SLACK_MM = 0.1


@attrs.frozen(eq=False)
class Task:
    """One search: a kind of path on one side.

    Args:
        aim: (3,) where the tip should come, lateral coordinates, mm. radius_mm: of the cannula.
        lateral_mm: range of the tip's lateral coordinate.
    """

    corridor: Corridor
    kind: PathKind
    aim: FloatArray
    lateral_mm: tuple[float, float]
    radius_mm: float
    config: TrajectoryConfig

    @property
    def guarded(self) -> bool:
        """Whether the path runs inside the pedicle."""
        return self.kind is not PathKind.EXTRAPEDICULAR

    @property
    def least_canal_mm(self) -> float:
        """Hard limit from cannula's surface to canal."""
        return self.config.least_canal_mm if self.guarded else self.config.least_canal_extrapedicular_mm


def short(limit: float, value: FloatArray) -> FloatArray:
    """How much a value falls short of a limit, squared."""
    return np.asarray(np.maximum(limit - value, 0.0) ** 2)


def angles_deg(direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Convergence toward the midline and caudal tilt of lateral directions (..., 3), degrees."""
    return (
        np.degrees(np.arctan2(-direction[..., 0], -direction[..., 1])),
        np.degrees(np.arctan2(-direction[..., 2], -direction[..., 1])),
    )


def clearance_mm(task: Task, pedicle: PedicleMeasures) -> FloatArray:
    """(n,) bone between cannula and wall over the pedicle; extrapedicular: between cannula and canal."""
    return (pedicle.depth_mm if task.guarded else pedicle.canal_mm) - task.radius_mm


def beside_cost(task: Task, gate: FloatArray, depth: FloatArray) -> FloatArray:
    """How far gates (n, 3) lie from the safe strip of an extrapedicular path, squared mm, (n,).

    The strip runs along the upper half of the pedicle's lateral wall: below lies the foramen with the nerve root, further out
    the pleura.
    """
    centre, config = task.corridor.centre, task.config
    return np.asarray(
        short(centre[0], gate[:, 0])
        + short(centre[2], gate[:, 2])
        + short(-centre[2] - config.beside_height_mm, -gate[:, 2])
        + short(-config.beside_wall_mm, depth)
    )


def pedicle_cost(task: Task, lines: Lines, pedicle: PedicleMeasures) -> FloatArray:
    """The part of the cost that is known from the pedicle and the line alone, (n,)."""
    config, weights = task.config, task.config.weights
    clearance = clearance_mm(task, pedicle)
    converging, sagittal = angles_deg(lines.direction)
    usual = config.convergence_deg if task.kind is PathKind.TRANSPEDICULAR else config.crossing_convergence_deg
    cost = weights.angle * (
        short(usual[0], converging) + short(-usual[1], -converging) + short(-config.sagittal_deg, -np.abs(sagittal))
    )
    cost = cost + weights.target * ((lines.tip - task.aim) ** 2).sum(axis=1)
    cost += weights.clearance * short(config.comfortable_clearance_mm, clearance)
    # slices leave the wall unsure: prefer lines that keep their bone wherever in its voxel it lies
    secured = pedicle.sure_mm - task.radius_mm if task.guarded else clearance
    cost += weights.secure_clearance * short(config.secure_clearance_mm, secured)
    if not task.guarded:
        cost += weights.forbidden * beside_cost(task, lines.gate, task.corridor.depth(lines.gate))
    low, high = task.lateral_mm
    beyond = short(low, lines.tip[:, 0]) + short(-high, -lines.tip[:, 0])
    cost += weights.forbidden * (beyond + short(config.least_clearance_mm + SLACK_MM, clearance) + 100.0 * ~pedicle.sound)
    return np.asarray(cost)


def path_cost(task: Task, path: PathMeasures) -> FloatArray:
    """The rest of the cost, (n,)."""
    config, weights, r = task.config, task.config.weights, task.radius_mm
    canal = path.canal_mm - r
    cost = weights.canal * short(config.comfortable_canal_mm, canal)
    cost = cost + weights.endplate * short(config.comfortable_endplate_mm, path.endplate_mm - r)
    # the body's front and sides curve: bone straight ahead of the tip is not all there is to keep
    cost += weights.endplate * short(config.comfortable_endplate_mm, path.tip_mm - r)
    cost += weights.anterior * short(config.anterior_margin_mm, path.ahead_mm)
    cost += weights.skiving * short(config.least_incidence_cos, path.incidence_cos)
    cost += weights.process * (short(r, path.approach_mm) * task.guarded + short(r, path.other_mm))
    cost += weights.cover * task.guarded * short(config.wanted_clearance_mm + r, path.cover_mm)
    cost += weights.length * path.bone_behind_mm
    return np.asarray(cost + weights.forbidden * broken(task, path))


def broken(task: Task, path: PathMeasures) -> FloatArray:
    """By how much hard limits are broken, squared mm, (n,); 0 for an allowed path.

    The search keeps ``SLACK_MM`` more than it must, for its samples lie wider apart than those that judge.
    """
    config, r = task.config, task.radius_mm + SLACK_MM
    inner = path.endplate_mm if not task.guarded else np.minimum(path.endplate_mm, path.body_mm)
    return np.asarray(
        short(task.least_canal_mm, path.canal_mm - r)
        + short(config.least_endplate_mm, inner - r)
        + short(config.least_anterior_mm + SLACK_MM, path.ahead_mm)
        + short(SLACK_MM, path.other_mm)
        + 25.0 * ~path.enters_once
    )


def objections(task: Task, pedicle: PedicleMeasures, path: PathMeasures, line: int = 0) -> list[str]:
    """Sentences with numbers: which hard limits one path breaks."""
    config, r = task.config, task.radius_mm
    checks = [
        (
            "clearance in the pedicle" if task.guarded else "clearance to the canal",
            clearance_mm(task, pedicle)[line],
            config.least_clearance_mm,
        ),
        ("distance to the canal", path.canal_mm[line] - r, task.least_canal_mm),
        ("distance to an endplate", path.endplate_mm[line] - r, config.least_endplate_mm),
        ("bone ahead of the tip", path.ahead_mm[line], config.least_anterior_mm),
        ("distance to a neighbouring vertebra", path.other_mm[line], 0.0),
    ]
    if task.guarded:
        checks.append(("bone beside the path in the body", path.body_mm[line] - r, config.least_endplate_mm))
    found = [f"{name} {value:.1f} mm, limit {limit:.1f}" for name, value, limit in checks if value < limit - 1e-6]
    if not path.enters_once[line]:
        found.append("the axis leaves the bone between entry and tip" if task.guarded else "the axis meets no bone")
    if not pedicle.sound[line]:
        found.append("the tip does not reach beyond the posterior wall")
    return found
