"""A plan on X-rays as it is stored: sealed like one on a CT, and never to be taken for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from planning_core import __version__
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Side
from planning_core.case.plan import DISCLAIMER, HeightsMm, Interval, PathRecord, path_record
from planning_core.case.record import SealedRecord
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.plan import TrajectoryPlan
from planning_core.xray.clicks import Clicks
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.image import XrayImage
from planning_core.xray.pair import check_views
from planning_core.xray.paths import DRAWS, NOT_SAID, CrossCheck, XrayPaths
from planning_core.xray.reconstruction import XrayReconstruction

DIGITS = 4
XRAY_SCHEMA_VERSION: Literal[1] = 1
LOOK = "compare the outline with the bone in every picture before these paths are used"
SAID_FROM_MM = 0.5
"""A pedicle shifted by less is not worth a sentence."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class XrayConfiguration(_Frozen):
    """What a plan on X-rays is made with."""

    fit: FitConfig = FitConfig()
    anatomy: AnatomyConfig = AnatomyConfig()
    trajectory: TrajectoryConfig = TrajectoryConfig()


class ViewRecord(_Frozen):
    """One picture: its bytes' hash, how it was taken, and what was clicked; as in ``PinholeView``."""

    sha256: str
    source: str
    size: tuple[int, int]
    pixel_spacing_mm: tuple[float, float]
    intrinsic: tuple[tuple[float, ...], ...]
    camera_from_scene: tuple[tuple[float, ...], ...]
    clicks: tuple[tuple[float, float], ...]
    likeness: float
    significance: float


class ShapeRecord(_Frozen):
    """The rebuilt vertebra: T_<frame>_vertebra and the shape model's numbers (see ``ShapeInstance``)."""

    region: str
    pose: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    scale: float
    fracture: tuple[float, ...]
    wall_sd_mm: float


class CheckRecord(_Frozen):
    """A clicked point against the rebuilt vertebra (see ``CrossCheck``)."""

    point: str
    apart_mm: float
    sigma_mm: float


class XrayPlan(SealedRecord):
    """Needle paths of one level from X-ray images alone, immutable.

    Points are in ``frame``. Only a reconstruction without doubts comes to a plan. ``not_said`` names what a plan on a CT says and
    this one does not, cement first: it is no ``Plan`` and no injector takes it.
    """

    SCHEMA: ClassVar[int] = XRAY_SCHEMA_VERSION
    NEWEST: ClassVar[str] = "xray_plan.json"
    FOLDER: ClassVar[str] = "xray_plans"

    schema_version: Literal[1] = XRAY_SCHEMA_VERSION
    software: str = f"openpkp {__version__}"
    disclaimer: str = DISCLAIMER
    level: str
    frame: Literal["carm", "ct_lps", "phantom"]
    views: tuple[ViewRecord, ...]
    widest_angle_deg: float
    verdict: Literal["review"] = "review"
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    confidence: float
    next_view: dict[str, float] | None
    shape: ShapeRecord
    heights_mm: HeightsMm
    body_ml: Interval
    checks: tuple[CheckRecord, ...]
    not_said: tuple[str, ...] = NOT_SAID
    paths: tuple[PathRecord, ...]
    refused_paths: tuple[str, ...]
    error_budget_mm: dict[str, float]
    seed: int
    configuration: XrayConfiguration


def make_xray_plan(
    images: Sequence[XrayImage],
    clicks: Clicks | None,
    found: XrayReconstruction,
    checks: Sequence[CrossCheck],
    planned: XrayPaths,
    configuration: XrayConfiguration,
    how_named: str = "",
) -> XrayPlan:
    """Gather everything into one sealed plan; the reconstruction is trusted and nothing is doubted (the caller's to see to).

    Args:
        how_named: how it is known which vertebra it is, in words; the operator's word where nothing is said.
    """
    shape, budget = found.shape, planned.trajectories.budget
    angle = check_views([image.view for image in images])
    level = found.level.value
    reasons = [
        LOOK,
        how_named or operators_word(found.level),
        f"rebuilt from {len(images)} pictures {angle:.0f}° apart, no CT",
        *shift_reasons(planned),
        *path_reasons(planned.trajectories),
    ]
    return XrayPlan(
        level=level,
        frame=planned.frame,
        views=tuple(_view(n, image, clicks, found) for n, image in enumerate(images)),
        widest_angle_deg=_r(angle),
        reasons=tuple(reasons),
        warnings=tuple(warning for image in images for warning in image.warnings),
        confidence=_r(found.confidence),
        next_view=next_view_record(found),
        shape=ShapeRecord(
            region=shape.model.region.value,
            pose=_rows(shape.pose.matrix),
            weights=tuple(_r(w) for w in shape.weights),
            scale=_r(shape.scale),
            fracture=tuple(_r(f) for f in shape.fracture),
            wall_sd_mm=_r(planned.wall_sd_mm),
        ),
        heights_mm=HeightsMm.of(planned.vertebra.heights),
        body_ml=body_interval(found, planned.vertebra.body_volume_ml),
        checks=tuple(CheckRecord(point=c.point.value, apart_mm=_r(c.apart_mm), sigma_mm=_r(c.sigma_mm)) for c in checks),
        paths=tuple(path_record(path) for path in planned.trajectories.paths),
        refused_paths=tuple(str(why) for why in planned.trajectories.refused),
        error_budget_mm={
            "registration": _r(budget.registration_mm),
            "tracker": _r(budget.tracker_mm),
            "arm": _r(budget.arm_mm),
            "pedicle walls": _r(budget.segmentation_mm),
            "angle_deg": _r(budget.angle_deg),
        },
        seed=planned.trajectories.seed,
        configuration=configuration,
    ).sealed()


def operators_word(level: VertebraLevel) -> str:
    """What a plan says whose vertebra was counted from nothing."""
    return (
        f"that it is {level.value} is the operator's word alone, neighbours look alike: "
        "show a vertebra whose name is known to have it counted (--click a:L5:ROW,COLUMN)"
    )


def shift_reasons(planned: XrayPaths) -> list[str]:
    """Which pedicles do not stand, to the path, where the pictures' outlines show them."""
    return [
        f"the {side.value} pedicle is taken to stand {mm:.1f} mm from its drawn outline, between that and the clicks"
        for side, mm in planned.shifted_mm.items()
        if mm >= SAID_FROM_MM
    ]


def path_reasons(trajectories: TrajectoryPlan) -> list[str]:
    """What a surgeon must know of the path that is first of each side, or why that side has none."""
    said = []
    for side in Side:
        path = next((p for p in trajectories.paths if p.side is side), None)
        if path is not None:
            said += [f"{side.value} {path.kind.value.replace('_', ' ')}: {warning}" for warning in path.warnings]
        else:
            why = [f"{r.kind.value}: {r.why}".replace("_", " ") for r in trajectories.refused if r.side is side]
            said.append(f"no path on the {side.value}: {'; '.join(why)}")
    return said


def next_view_record(found: XrayReconstruction) -> dict[str, float] | None:
    """The further view that would help most, JSON-able."""
    view = found.next_view
    if view is None:
        return None
    return {"primary_deg": _r(view.primary_deg), "secondary_deg": _r(view.secondary_deg), "gain": _r(view.gain)}


def body_interval(found: XrayReconstruction, value_ml: float) -> Interval:
    """Volume of the rebuilt body and the range of 95 in 100 shapes that the pictures leave possible; no cement volume.

    A body's volume grows as its extent along its three axes: what the draws say about that is taken.
    """
    model, draws = found.shape.model, found.draws(DRAWS, 0)
    spread = np.array([np.sqrt(np.linalg.det(np.cov(v[model.body].T))) for v in (found.shape.vertices, *draws)])
    low, high = np.percentile(value_ml * spread[1:] / spread[0], [2.5, 97.5])
    return Interval(value=_r(value_ml), low=_r(min(low, value_ml)), high=_r(max(high, value_ml)))


def _view(number: int, image: XrayImage, clicks: Clicks | None, found: XrayReconstruction) -> ViewRecord:
    view = image.view
    return ViewRecord(
        sha256=image.sha256,
        source=image.source,
        size=view.size,
        pixel_spacing_mm=view.pixel_spacing_mm,
        intrinsic=_rows(view.intrinsic),
        camera_from_scene=_rows(view.camera_from_scene.matrix),
        clicks=() if clicks is None else tuple((_r(row), _r(column)) for row, column in clicks.pixels[number]),
        likeness=_r(found.likeness[number]),
        significance=_r(found.significance[number]),
    )


def _rows(matrix: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(v), 9) + 0.0 for v in row) for row in matrix)


def _r(value: float) -> float:
    return round(float(value), DIGITS) + 0.0
