"""Needle paths in a vertebra that was rebuilt from X-ray images, and what the clicks say against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.shape_model.model import ShapeInstance
from planning_core.anatomy.vertebra import Side, Spine, Vertebra
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.plan import PathKind, TrajectoryPlan
from planning_core.trajectory.planner import plan_trajectories
from planning_core.xray.clicks import Clicks
from planning_core.xray.drawn_walls import DrawnWalls
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pedicle_offsets import pedicle_offsets
from planning_core.xray.rebuilt import pedicle_vertices, rebuilt_vertebra
from planning_core.xray.reconstruction import XrayReconstruction, body_middle
from planning_core.xray.triangulation import MetPoint, PicturePoint, met_points

DRAWS = 48
DISAGREE_SIGMAS = 3.5
POINTED_MM = 4.0
"""Standard deviation of an operator's click along each axis of the detector, assumed: more than a steady hand's, for where the
middle of a body or a pedicle lies is itself a matter of opinion."""
STEADY_MM = 2.0
"""The same for where a path is led, assumed: what a careful click on a pedicle is worth against the model's own error there."""
CLICKED = (PicturePoint.BODY, PicturePoint.PEDICLE_LEFT, PicturePoint.PEDICLE_RIGHT)
"""What the rows of ``Clicks`` are."""
NOT_SAID = (
    "cement volume: two pictures do not show what is left of the body's walls, nor clefts in it",
    "bone quality (HU)",
    "way from the skin, and whether lung lies on it",
    "neighbouring vertebrae: facet joints beside the cannula are not looked at",
    "whether patient, table or C-arm moved between the pictures: the geometry is taken as each of them states it",
)
"""What a plan on a CT says and one on X-rays does not."""
BESIDE_UNSEEN = "not offered from X-rays: two pictures show no ribs, pleura or lung beside the pedicle"


@attrs.frozen
class CrossCheck:
    """A clicked point, met from the pictures alone, against where the rebuilt vertebra has it.

    Args:
        point: which. apart_mm: between the two. sigma_mm: one sigma of that along the same direction. gap_mm: see ``MetPoint``.
        doubt: a sentence where they do not agree, or where the clicks are not of one point; else empty.
    """

    point: PicturePoint
    apart_mm: float
    sigma_mm: float
    gap_mm: float
    doubt: str = ""


@attrs.frozen(eq=False)
class XrayPaths:
    """Paths of one level, planned on what X-rays showed.

    Args:
        frame: of every point: the views' own, ``carm``, ``ct_lps`` or ``phantom``; x, y, z are the patient's left, back and head.
        vertebra: as the planner saw it. wall_sd_mm: one sigma of the pedicles' walls.
        shifted_mm: by side, how far from where ``vertebra`` has it the pedicle is taken to stand, towards what was clicked.
        trajectories: what the planner found; ``waypoints_lps_mm`` are in ``frame``.
    """

    frame: str
    vertebra: Vertebra
    wall_sd_mm: float
    shifted_mm: Mapping[Side, float]
    trajectories: TrajectoryPlan


def plan_on_reconstruction(
    found: XrayReconstruction,
    config: TrajectoryConfig | None = None,
    anatomy: AnatomyConfig | None = None,
    views: Sequence[PinholeView] = (),
    clicks: Clicks | None = None,
) -> XrayPaths:
    """Paths through the rebuilt vertebra, by the planner that serves CTs.

    The one search over all lines serves both; bone beside a line counts wherever within one sigma the wall may lie, and as much
    as is to be expected over where the pedicle may stand (``pedicle_offsets``). The probability to breach is over shapes that
    the pictures leave possible (``drawn_walls``). No path leads past a pedicle: what lies there is not seen.

    Args:
        found: one that is not trusted is the caller's to refuse. views, clicks: the pictures', where there are any.

    Raises:
        ModelError: the shape has no canal. NoSafePathError: no path through either pedicle keeps its distances.
    """
    config = config or TrajectoryConfig()
    sd = float(np.sqrt((found.surface_sd_mm[pedicle_vertices(found.shape)] ** 2).mean()))
    vertebra = rebuilt_vertebra(found.shape, found.level, sd, anatomy)
    judge = DrawnWalls.of(found.shape, found.draws(DRAWS, config.seed))
    clicked = {} if clicks is None else clicked_points(views, clicks, STEADY_MM)
    offsets = pedicle_offsets(found, vertebra, clicked)
    spine, without = Spine({found.level: vertebra}, {}), {PathKind.EXTRAPEDICULAR: BESIDE_UNSEEN}
    plan = plan_trajectories(spine, found.level, config=config, judge=judge, without=without, offsets_mm=offsets)
    plan = attrs.evolve(plan, budget=attrs.evolve(plan.budget, segmentation_mm=sd))
    shifted = {side: float(np.linalg.norm(points.mean(axis=0))) for side, points in offsets.items()}
    return XrayPaths(found.shape.pose.dst, vertebra, sd, shifted, plan)


def cross_checks(
    found: XrayReconstruction, views: Sequence[PinholeView], clicks: Clicks, click_mm: float = POINTED_MM
) -> tuple[CrossCheck, ...]:
    """Each clicked point against the rebuilt vertebra's.

    Args:
        views, clicks: the pictures'. click_mm: see ``POINTED_MM``.
    """
    spread = {p: np.cov(points.T) for p, points in _places(found.shape, found.draws(DRAWS, 0)).items()}
    model = {p: points[0] for p, points in _places(found.shape, found.shape.vertices[None]).items()}
    # what the modes leave of real shapes is in no draw
    rest = (found.shape.scale * found.shape.model.rest_mm) ** 2 / 3 * np.eye(3)
    met = clicked_points(views, clicks, click_mm)
    return tuple(check(point, at, model[point], spread[point] + rest, "rebuilt vertebra") for point, at in met.items())


def clicked_points(views: Sequence[PinholeView], clicks: Clicks, click_mm: float = POINTED_MM) -> dict[PicturePoint, MetPoint]:
    """What was clicked, met from the pictures alone."""
    return met_points(views, [dict(zip(CLICKED, of_view, strict=False)) for of_view in clicks.pixels], click_mm)


def check(point: PicturePoint, clicked: MetPoint, place_mm: FloatArray, covariance_mm2: FloatArray, whose: str) -> CrossCheck:
    """A clicked point against where a bone has it.

    Args:
        place_mm: (3,) in the views' frame. covariance_mm2: (3, 3) of that place. whose: the bone, in words.
    """
    away = clicked.point_mm - place_mm
    apart = float(np.linalg.norm(away))
    way = away / max(apart, 1e-9)
    sigma = float(np.sqrt(way @ (clicked.covariance_mm2 + covariance_mm2) @ way))
    doubt = ""
    if not clicked.one_point:
        doubt = f"the clicks on the {point.said} miss each other by {2 * clicked.gap_mm:.1f} mm: not one and the same point"
    elif apart > DISAGREE_SIGMAS * sigma:
        doubt = f"the {point.said} as clicked lies {apart:.1f} mm from the {whose}'s ({sigma:.1f} mm expected)"
    return CrossCheck(point, apart, sigma, clicked.gap_mm, doubt)


def _places(shape: ShapeInstance, vertices: FloatArray) -> dict[PicturePoint, FloatArray]:
    """Where shapes (d, n, 3) have what can be clicked, (d, 3) each."""
    ends = shape.model.pedicles.of(vertices)
    return {
        PicturePoint.BODY: np.array([body_middle(shape.model, v) for v in vertices]),
        PicturePoint.PEDICLE_LEFT: ends[:, :2].mean(axis=1),
        PicturePoint.PEDICLE_RIGHT: ends[:, 2:].mean(axis=1),
    }


def axis_gap_mm(shape: ShapeInstance, side: Side, entry_mm: FloatArray, target_mm: FloatArray) -> float:
    """How far a path passes by the middle of the model's own pedicle axis, mm."""
    a, b = shape.pedicle_axis(side)
    away = (a + b) / 2 - entry_mm
    way = (target_mm - entry_mm) / np.linalg.norm(target_mm - entry_mm)
    return float(np.linalg.norm(away - (away @ way) * way))
