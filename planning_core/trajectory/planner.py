"""All needle paths of one level: transpedicular on both sides, then what one side alone can do."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Side, Spine, Vertebra
from planning_core.cement.plan import CementPlan
from planning_core.errors import NoSafePlanError
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.aim import aim_point, defect_centre
from planning_core.trajectory.breach import Judge, breach_probability
from planning_core.trajectory.config import TrajectoryConfig, cannula_diameter_mm
from planning_core.trajectory.corridor import Corridor, corridors
from planning_core.trajectory.cost import Task, angles_deg, clearance_mm, objections
from planning_core.trajectory.curved import search_curve
from planning_core.trajectory.grading import grade, wall_margins
from planning_core.trajectory.lung import lung_distance_mm
from planning_core.trajectory.measures import FINE, Lines, measure_path, measure_pedicle
from planning_core.trajectory.plan import ErrorBudget, PathKind, RefusedPath, Trajectory, TrajectoryPlan
from planning_core.trajectory.remarks import doubts, way_remarks
from planning_core.trajectory.search import search
from planning_core.trajectory.skin import way_in

NEIGHBOURS = 1.0
THROUGH_LUNG = "the way from the skin leads through air inside the patient (lung), or too near to it"


class NoSafePathError(NoSafePlanError):
    """No kind of path on any side keeps its distances. Carries ``level``, ``best_clearance_mm`` and ``refused``."""

    code = "no_safe_path"


@attrs.frozen(eq=False)
class Attempt:
    """What one kind of path on one side came to.

    Args:
        path: None when refused. why: the reason then. clearance_mm: reached. lines: the straight part, when there is one.
    """

    path: Trajectory | None
    why: str
    clearance_mm: float
    lines: Lines | None = None


@attrs.frozen(eq=False)
class Setting:
    """What all paths of one level share."""

    vertebra: Vertebra
    cement: CementPlan | None
    ct: CtVolume | None
    config: TrajectoryConfig
    budget: ErrorBudget
    judge: Judge = breach_probability
    without: Mapping[PathKind, str] = attrs.field(factory=dict)

    def task(self, corridor: Corridor, kind: PathKind, cannula: str) -> Task:
        """The search for one kind of path with one cannula."""
        radius = cannula_diameter_mm(cannula) / 2
        aim, lateral = aim_point(corridor, kind, radius, defect_centre(corridor, self.cement, self.config), self.config)
        return Task(corridor, kind, aim, lateral, radius, self.config)


def plan_trajectories(
    spine: Spine,
    level: VertebraLevel,
    cement: CementPlan | None = None,
    ct: CtVolume | None = None,
    config: TrajectoryConfig | None = None,
    judge: Judge = breach_probability,
    without: Mapping[PathKind, str] | None = None,
    offsets_mm: Mapping[Side, FloatArray] | None = None,
) -> TrajectoryPlan:
    """Paths of one level, both transpedicular ones first; those that may well breach last.

    Args:
        spine: the level and, where modelled, the vertebrae above and below, whose bone the cannula must not touch.
        cement: its defect draws the tips towards it. ct: for the way from the skin. judge: of the probability to breach.
        without: kinds of path that are not offered here, each with the reason that ``refused`` then gives.
        offsets_mm: where the pedicles may stand, see ``corridors``: the search keeps the most bone to be expected, everything
            else is said of where they most likely do.

    Raises:
        NoSafePathError: none on either side.
    """
    setting, beside = prepared(spine, level, cement, ct, config, offsets_mm)
    setting = attrs.evolve(setting, judge=judge, without=without or {})
    config = setting.config
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tried = pool.map(lambda corridor: _side(setting, corridor), beside.values())
    attempts = [(side, kind, attempt) for side, of_side in zip(beside, tried, strict=True) for kind, attempt in of_side]
    paths = [a.path for _, _, a in attempts if a.path is not None]
    refused = tuple(RefusedPath(side, kind, a.why) for side, kind, a in attempts if a.path is None)
    if not paths:
        best = max(a.clearance_mm for _, _, a in attempts)
        leaves = (
            f"the best leaves {best:.1f} mm of bone beside the cannula" if math.isfinite(best) else "no line was found at all"
        )
        raise NoSafePathError(
            f"{level.value}: no safe path on either side; {leaves}",
            level=level.value,
            best_clearance_mm=best if math.isfinite(best) else None,
            refused=[str(why) for why in refused],
        )
    order, sides = list(PathKind), list(Side)
    paths.sort(key=lambda p: (p.p_breach > config.doubtful_breach, order.index(p.kind), sides.index(p.side)))
    return TrajectoryPlan(level, tuple(paths), refused, setting.budget, config.seed)


def prepared(
    spine: Spine,
    level: VertebraLevel,
    cement: CementPlan | None = None,
    ct: CtVolume | None = None,
    config: TrajectoryConfig | None = None,
    offsets_mm: Mapping[Side, FloatArray] | None = None,
) -> tuple[Setting, dict[Side, Corridor]]:
    """What every path of a level is judged with: limits, errors, and the bone around each pedicle."""
    config = config or TrajectoryConfig()
    vertebra = spine.vertebrae[level]
    around = tuple(v for k, v in spine.vertebrae.items() if k is not level and abs(k.ordinal - level.ordinal) <= NEIGHBOURS)
    # rounding a wall to voxels of width h leaves it uncertain by h/√12, on top of what segmentation itself gets wrong
    segmentation = float(np.hypot(config.segmentation_mm, vertebra.voxel_mm[0] / np.sqrt(12)))
    setting = Setting(vertebra, cement, ct, config, attrs.evolve(config.budget, segmentation_mm=segmentation))
    return setting, corridors(vertebra, around, offsets_mm)


def _side(setting: Setting, corridor: Corridor) -> list[tuple[PathKind, Attempt]]:
    """Every kind of path on one side; a way round the pedicle only where the pedicle is too narrow for comfort."""
    cannula, straight = _best_cannula(setting, corridor, PathKind.TRANSPEDICULAR)
    tried = [(PathKind.TRANSPEDICULAR, straight)]
    if straight.clearance_mm < setting.config.wanted_clearance_mm or straight.path is None:
        tried.append((PathKind.EXTRAPEDICULAR, _best_cannula(setting, corridor, PathKind.EXTRAPEDICULAR)[1]))
    if straight.path is None or straight.lines is None:
        no = Attempt(None, "no straight way through this pedicle", straight.clearance_mm)
        return [*tried, (PathKind.CROSSING, no), (PathKind.CURVED, no)]
    tried.append((PathKind.CROSSING, _straight(setting, corridor, PathKind.CROSSING, cannula)))
    tried.append((PathKind.CURVED, _curved(setting, corridor, cannula, straight.lines)))
    return tried


def _best_cannula(setting: Setting, corridor: Corridor, kind: PathKind) -> tuple[str, Attempt]:
    """The first cannula that passes with the wanted clearance, else the one that leaves most bone."""
    best: tuple[str, Attempt] | None = None
    for cannula in setting.config.cannulas:
        attempt = _straight(setting, corridor, kind, cannula)
        if attempt.path is not None and attempt.clearance_mm >= setting.config.wanted_clearance_mm:
            return cannula, attempt
        if best is None or (attempt.path is not None, attempt.clearance_mm) > (best[1].path is not None, best[1].clearance_mm):
            best = cannula, attempt
    assert best is not None  # the configuration holds at least one cannula
    return best


def _straight(setting: Setting, corridor: Corridor, kind: PathKind, cannula: str) -> Attempt:
    """Search one kind of path with one cannula; the best line that stands a close look."""
    if kind in setting.without:
        return Attempt(None, setting.without[kind], float("-inf"))
    task = setting.task(corridor, kind, cannula)
    found = search(task)
    if found is None:
        return Attempt(None, "no bone where the pedicle should be, or no room for a tip in the body", float("-inf"))
    task = attrs.evolve(task, corridor=corridor.settled)
    # the search samples coarsely: where its best does not stand a close look, the next may
    first: Attempt | None = None
    for n in range(len(found.cost)):
        attempt = _judged(setting, task, found.lines.take(np.array([n])), cannula)
        if attempt.path is not None:
            return attempt
        first = first or attempt
    assert first is not None  # a search that found nothing returns None
    return first


def _judged(setting: Setting, task: Task, lines: Lines, cannula: str) -> Attempt:
    """Measure one straight line finely and judge it; refused where it breaks a hard limit."""
    pedicle = measure_pedicle(task.corridor, lines, FINE)
    path = measure_path(task.corridor, lines, setting.config.pathway_mm, FINE, closed=task.guarded)
    clearance = float(clearance_mm(task, pedicle)[0])
    against = objections(task, pedicle, path)
    if against:
        return Attempt(None, f"{cannula}: " + "; ".join(against), clearance)
    points = np.vstack([path.entry[0], lines.tip[0]])
    margins = (float(path.endplate_mm[0]) - task.radius_mm, float(path.ahead_mm[0]), float(path.canal_mm[0]) - task.radius_mm)
    trajectory = described(setting, task, lines, points, clearance, margins, way_remarks(task, path))
    if trajectory is None:
        return Attempt(None, f"{cannula}: {THROUGH_LUNG}", clearance)
    return Attempt(trajectory, "", clearance, lines)


def _curved(setting: Setting, corridor: Corridor, cannula: str, straight: Lines) -> Attempt:
    """Bend the straight path of this side over to the other half."""
    if PathKind.CURVED in setting.without:
        return Attempt(None, setting.without[PathKind.CURVED], float("-inf"))
    corridor = corridor.settled
    task = setting.task(corridor, PathKind.CURVED, cannula)
    pedicle = measure_pedicle(corridor, straight, FINE)
    clearance = float(clearance_mm(task, pedicle)[0])
    curve = search_curve(task, straight)
    if curve is None:
        config = setting.config
        return Attempt(
            None,
            f"no bend up to {config.largest_bend_deg:g}° and {config.longest_curve_mm:g} mm stays inside the body's other half",
            clearance,
        )
    path = measure_path(corridor, curve.lines, setting.config.pathway_mm, FINE)
    points = np.vstack([path.entry[0], curve.bend, curve.tip])
    endplate = min(curve.endplate_mm, float(path.endplate_mm[0]) - task.radius_mm)
    canal = min(curve.canal_mm, float(path.canal_mm[0]) - task.radius_mm)
    said = (*way_remarks(task, path), f"bent by {curve.bend_deg:.0f}° inside the body: needs a curved needle")
    trajectory = described(setting, task, curve.lines, points, clearance, (endplate, curve.ahead_mm, canal), said)
    if trajectory is None:
        return Attempt(None, THROUGH_LUNG, clearance)
    return Attempt(trajectory, "", clearance, curve.lines)


def described(
    setting: Setting,
    task: Task,
    lines: Lines,
    points: FloatArray,
    clearance: float,
    margins: tuple[float, float, float],
    warnings: tuple[str, ...],
) -> Trajectory | None:
    """One path in ct_lps with all that is known about it; ``None`` where lung lies before the bone or too near beside the way.

    Args:
        points: (n, 3) waypoints, lateral coordinates. margins: to endplates, ahead of the tip, to the canal, mm.
    """
    corridor, config, vertebra = task.corridor, setting.config, setting.vertebra
    waypoints = corridor.to_lps(points)
    ahead = (waypoints[1] - waypoints[0]) / np.linalg.norm(waypoints[1] - waypoints[0])
    skin = None
    if setting.ct is not None:
        way = way_in(setting.ct, waypoints[0], ahead, config.air_hu)
        skin = way.skin_mm
        within = task.radius_mm + config.near_lung_mm
        lung = lung_distance_mm(setting.ct, waypoints[0], ahead, skin, config.air_hu, within) - task.radius_mm
        if way.through_air or lung < config.least_lung_mm:
            return None
        if lung < config.near_lung_mm:
            warnings = (*warnings, f"lung {lung:.1f} mm beside the cannula on its way to the bone")
    probability = setting.judge(
        corridor, lines, points[0], task.radius_mm, task.guarded, setting.budget, config.breach_samples, config.seed
    )
    converging, sagittal = angles_deg(lines.direction[0])
    return Trajectory(
        corridor.side,
        task.kind,
        waypoints,
        2 * task.radius_mm,
        grade(clearance),
        wall_margins(corridor, lines, task.radius_mm, task.guarded),
        clearance,
        margins[2],
        margins[0],
        margins[1],
        float(vertebra.voxel_mm[0]) / 2,
        probability.value,
        probability.standard_error,
        float(converging),
        float(sagittal),
        skin,
        (*warnings, *doubts(task, clearance, probability.value, float(vertebra.voxel_mm[0]) / 2)),
    )
