"""All needle paths of one level: transpedicular on both sides, then what one side alone can do."""

from __future__ import annotations

import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Side, Spine, Vertebra
from planning_core.cement.plan import CementPlan
from planning_core.errors import NoSafePlanError
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.breach import breach_probability, grade
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.plan import ErrorBudget, PathKind, Trajectory, TrajectoryPlan
from planning_core.trajectory.search import Line, best_line
from planning_core.trajectory.skin import skin_distance

EXTRAPEDICULAR_SHIFT_MM = 5.0


class NoSafePathError(NoSafePlanError):
    """No kind of path on any side keeps its distances. Carries ``level``, ``best_clearance_mm`` and ``refused``."""

    code = "no_safe_path"


def plan_trajectories(
    spine: Spine,
    level: VertebraLevel,
    cement: CementPlan | None = None,
    ct: CtVolume | None = None,
    config: TrajectoryConfig | None = None,
) -> TrajectoryPlan:
    """Paths of one level, transpedicular first.

    Args:
        cement: its defect draws the tips towards it. ct: for the way from the skin.

    Raises:
        NoSafePathError: none on either side.
    """
    config = config or TrajectoryConfig()
    vertebra = spine.vertebrae[level]
    budget = ErrorBudget(
        config.registration_mm,
        config.tracker_mm,
        config.arm_mm,
        float(np.hypot(config.segmentation_mm, vertebra.voxel_mm[0] / np.sqrt(12))),
        config.angle_deg,
    )
    paths: list[Trajectory] = []
    refused: list[str] = []
    clearances: list[float] = []
    for side in Side:
        pedicle = vertebra.pedicles.get(side)
        if pedicle is None:
            refused.append(f"{side.value}: no pedicle in the mask")
            continue
        corridor = Corridor.of(vertebra, pedicle)
        for kind in (PathKind.TRANSPEDICULAR, PathKind.CROSSING, PathKind.CURVED, PathKind.EXTRAPEDICULAR):
            if kind is PathKind.EXTRAPEDICULAR and any(p.side is side and p.kind is PathKind.TRANSPEDICULAR for p in paths):
                continue
            path, why, clearance = _plan_one(corridor, kind, cement, ct, budget, config)
            clearances.append(clearance)
            if path is not None:
                paths.append(path)
            else:
                refused.append(f"{side.value} {kind.value}: {why}")
    if not paths:
        best = max(clearances, default=float("-inf"))
        raise NoSafePathError(
            f"{level.value}: no safe path; the best leaves {best:.1f} mm of bone around a {config.diameter_mm:g} mm cannula",
            level=level.value,
            best_clearance_mm=best,
            refused=refused,
        )
    order = list(PathKind)
    paths.sort(key=lambda p: (order.index(p.kind), p.side.value))
    return TrajectoryPlan(level, tuple(paths), tuple(refused), budget, config.seed)


def wanted_tip(
    vertebra: Vertebra, sign: float, kind: PathKind, cement: CementPlan | None, config: TrajectoryConfig
) -> FloatArray:
    """Where a tip should end: the body's anterior third, drawn to the height of the defect but inside standing bone."""
    inside = vertebra.body.inside()
    points = vertebra.body.grid.points(np.argwhere(inside))
    front, back = np.percentile(points[:, 1], (1, 99))
    y = back - config.target_depth * (back - front)
    across = {PathKind.TRANSPEDICULAR: 1.0, PathKind.EXTRAPEDICULAR: 0.6, PathKind.CROSSING: -0.5, PathKind.CURVED: -1.0}[kind]
    column = points[(np.abs(points[:, 1] - y) < 2) & (np.abs(points[:, 0]) < 8)]
    low, high = np.percentile(column[:, 2], (2, 98)) if len(column) else (-5.0, 5.0)
    z = (low + high) / 2
    if cement is not None and not cement.defect.is_empty:
        centre = vertebra.ct_lps_from_vertebra.inverse().apply(cement.defect.center_mass)
        room = max(0.0, (high - low) / 2 - config.tip_margin_mm - config.diameter_mm / 2)
        z += float(np.clip(centre[2] - z, -room, room))
    return np.array([sign * across * config.off_midline_mm, y, z])


def _plan_one(
    corridor: Corridor,
    kind: PathKind,
    cement: CementPlan | None,
    ct: CtVolume | None,
    budget: ErrorBudget,
    config: TrajectoryConfig,
) -> tuple[Trajectory | None, str, float]:
    """One path, or why there is none, and the clearance that was reached."""
    vertebra, radius = corridor.vertebra, config.diameter_mm / 2
    tip = wanted_tip(vertebra, corridor.sign, kind, cement, config)
    if kind is PathKind.CURVED:
        straight = best_line(
            corridor, wanted_tip(vertebra, corridor.sign, PathKind.TRANSPEDICULAR, cement, config), radius, config
        )
        line, waypoints = straight, _bent(corridor, straight, tip, config)
        if waypoints is None:
            return (
                None,
                f"no bend up to {config.bend_deg:g}° stays {config.body_margin_mm:g} mm inside the body",
                straight.clearance_mm,
            )
    else:
        lateral = EXTRAPEDICULAR_SHIFT_MM if kind is PathKind.EXTRAPEDICULAR else 0.0
        line = best_line(corridor, tip, radius, config, lateral)
        waypoints = np.array([corridor.entry(line.through, line.target), line.target])
    clearance = line.clearance_mm if kind is not PathKind.EXTRAPEDICULAR else line.canal_mm
    if line.canal_mm < config.least_canal_mm:
        return None, f"{line.canal_mm:.1f} mm from the canal, {config.least_canal_mm:g} mm needed", clearance
    if clearance < config.least_clearance_mm:
        return None, f"the pedicle leaves {clearance:.1f} mm around the cannula", clearance
    if line.body_mm < 0 and kind is not PathKind.EXTRAPEDICULAR:
        return None, f"the cannula comes {-line.body_mm:.1f} mm out of the body", clearance
    ahead = (waypoints[1] - waypoints[0]) / np.linalg.norm(waypoints[1] - waypoints[0])
    world = vertebra.ct_lps_from_vertebra
    probability = breach_probability(corridor, waypoints[0], waypoints[1], radius, budget, config.samples, config.seed)
    trajectory = Trajectory(
        corridor.side,
        kind,
        world.apply(waypoints),
        config.diameter_mm,
        grade(clearance),
        corridor.margins(waypoints[0], waypoints[1], radius),
        clearance,
        line.canal_mm,
        float(-vertebra.whole.at(waypoints[-1])) - radius,
        float(vertebra.voxel_mm[0]) / 2,
        probability,
        float(np.degrees(np.arctan2(-corridor.sign * ahead[0], -ahead[1]))),
        float(np.degrees(np.arctan2(-ahead[2], -ahead[1]))),
        skin_distance(ct, world.apply(waypoints[0]), world.rotate(-ahead)) if ct is not None else None,
        _warnings(kind, clearance, vertebra, line),
    )
    return trajectory, "", clearance


def _bent(corridor: Corridor, straight: Line, tip: FloatArray, config: TrajectoryConfig) -> FloatArray | None:
    """Entry, bend and tip of a needle that turns inside the body, or ``None`` where no bend fits."""
    entry = corridor.entry(straight.through, straight.target)
    ahead = (straight.target - entry) / np.linalg.norm(straight.target - entry)
    length = float(np.linalg.norm(straight.target - entry))
    best: tuple[float, FloatArray] | None = None
    for along in np.arange(0.3, 0.95, 0.05) * length:
        bend = entry + along * ahead
        if corridor.behind_wall(bend) > -4:
            continue
        turn = tip - bend
        angle = float(np.degrees(np.arccos(np.clip(turn @ ahead / np.linalg.norm(turn), -1, 1))))
        way = bend + np.linspace(0, 1, 30)[:, None] * turn
        margin = float((-corridor.vertebra.body.at(way)).min()) - config.curved_diameter_mm / 2
        if angle <= config.bend_deg and margin >= config.body_margin_mm and (best is None or margin > best[0]):
            best = (margin, np.array([entry, bend, tip]))
    return None if best is None else best[1]


def _warnings(kind: PathKind, clearance: float, vertebra: Vertebra, line: Line) -> tuple[str, ...]:
    said = []
    half = float(vertebra.voxel_mm[0]) / 2
    if clearance < half:
        said.append(f"clearance {clearance:.1f} mm is within half a voxel ({half:.1f} mm) of the wall")
    if kind is PathKind.EXTRAPEDICULAR:
        said.append("extrapedicular: clearance is to the canal; pleura and segmental vessels are not modelled")
    if line.body_mm < 1.0:
        said.append(f"only {line.body_mm:.1f} mm of bone beside the cannula within the body")
    return tuple(said)
