"""The plan as it is stored, signed by its hash and handed to the robot and the injector."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from planning_core import __version__
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Heights, Spine
from planning_core.case.record import SealedRecord, TamperedPlanError, content_sha256
from planning_core.cement.plan import CementPlan, VolumeInterval
from planning_core.configuration import Configuration
from planning_core.trajectory.plan import Trajectory, TrajectoryPlan

DIGITS = 4
SCHEMA_VERSION: Literal[2] = 2
"""Raised with every change of a field, the configuration's among them: a plan of another schema is not read but made again."""
DISCLAIMER = "Research software, not a medical device."

__all__ = [
    "DISCLAIMER",
    "SCHEMA_VERSION",
    "HeightsMm",
    "Interval",
    "PathRecord",
    "Plan",
    "TamperedPlanError",
    "content_sha256",
    "make_plan",
    "path_record",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeightsMm(_Frozen):
    """Body heights, mm."""

    anterior: float
    middle: float
    posterior: float

    @classmethod
    def of(cls, heights: Heights) -> HeightsMm:
        """From the model's heights."""
        return cls(anterior=_r(heights.anterior_mm), middle=_r(heights.middle_mm), posterior=_r(heights.posterior_mm))


class Interval(_Frozen):
    """A volume and its range, ml."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, interval: VolumeInterval) -> Interval:
        """From the cement stage's interval."""
        return cls(value=_r(interval.value_ml), low=_r(interval.low_ml), high=_r(interval.high_ml))


class PathRecord(_Frozen):
    """One needle path; points in mm of the plan's frame."""

    side: str
    kind: str
    entry_mm: tuple[float, float, float]
    target_mm: tuple[float, float, float]
    waypoints_mm: tuple[tuple[float, float, float], ...]
    depth_mm: float
    diameter_mm: float
    grade: str
    clearance_mm: float
    resolution_mm: float
    margins_mm: dict[str, float]
    canal_mm: float
    tip_margin_mm: float
    p_breach: float
    convergence_deg: float
    sagittal_deg: float
    skin_mm: float | None
    warnings: tuple[str, ...]


class Plan(SealedRecord):
    """Everything that was decided for one level, immutable; times are not part of it."""

    SCHEMA: ClassVar[int] = SCHEMA_VERSION
    NEWEST: ClassVar[str] = "plan.json"
    FOLDER: ClassVar[str] = "plans"

    schema_version: Literal[2] = SCHEMA_VERSION
    software: str = f"openpkp {__version__}"
    disclaimer: str = DISCLAIMER
    level: str
    frame: Literal["ct_lps"] = "ct_lps"
    ct_sha256: str | None
    labels_sha256: str | None
    method: str
    numbering: dict[str, Any]
    partial_levels: tuple[str, ...]
    warnings: tuple[str, ...]
    verdict: str
    reasons: tuple[str, ...]
    defect_ml: float
    defect_ml_low: float
    defect_ml_high: float
    liquid_ml: float
    liquid_ml_low: float
    liquid_ml_high: float
    recommended_ml: float
    recommended_ml_low: float
    recommended_ml_high: float
    fill_percent: float
    product: str
    expansion: float
    policy: tuple[str, ...]
    template: str
    neighbours: tuple[str, ...]
    body_ml: float
    ideal_body_ml: float
    sliver_ml: float
    retropulsed_ml: float
    interval_parts_ml: dict[str, float]
    heights_mm: HeightsMm
    expected_mm: HeightsMm
    ideal_mm: HeightsMm
    self_check_passed: bool
    genant: int
    fracture: str
    kyphosis_deg: float | None
    spongiosa_hu: float | None
    gas_ml: float | None
    paths: tuple[PathRecord, ...]
    refused_paths: tuple[str, ...]
    error_budget_mm: dict[str, float]
    seed: int
    configuration: Configuration

    @property
    def by_side(self) -> dict[str, PathRecord]:
        """The path that is meant for each side: of several, the first, which the planner ranked best."""
        chosen: dict[str, PathRecord] = {}
        for path in self.paths:
            chosen.setdefault(path.side, path)
        return chosen


def make_plan(
    segmentation: SpineSegmentation,
    spine: Spine,
    cement: CementPlan,
    trajectories: TrajectoryPlan,
    configuration: Configuration,
    *,
    ct_sha256: str | None,
    labels_sha256: str | None,
    warnings: tuple[str, ...],
) -> Plan:
    """Gather the stages' results into one sealed plan; numbers are rounded so that the hash does not hang on the last bit."""
    level = cement.level
    vertebra, assessment = spine.vertebrae[level], spine.assessments[level]
    deficit, liquid, recommended = (Interval.of(i) for i in (cement.deficit, cement.deficit_liquid, cement.recommended))
    numbering = segmentation.numbering
    budget = trajectories.budget
    return Plan(
        level=level.value,
        ct_sha256=ct_sha256,
        labels_sha256=labels_sha256,
        method=segmentation.method,
        numbering={"source": numbering.source, "confidence": _r(numbering.confidence), "cues": list(numbering.cues)},
        partial_levels=tuple(p.level.value for p in segmentation.partial),
        warnings=(*warnings, *spine.notes),
        verdict=cement.verdict.value,
        reasons=cement.reasons,
        defect_ml=deficit.value,
        defect_ml_low=deficit.low,
        defect_ml_high=deficit.high,
        liquid_ml=liquid.value,
        liquid_ml_low=liquid.low,
        liquid_ml_high=liquid.high,
        recommended_ml=recommended.value,
        recommended_ml_low=recommended.low,
        recommended_ml_high=recommended.high,
        fill_percent=_r(cement.fill_percent),
        product=cement.product,
        expansion=cement.expansion,
        policy=cement.policy,
        template=cement.template,
        neighbours=tuple(v.value for v in cement.neighbours),
        body_ml=_r(cement.collapsed_body_ml),
        ideal_body_ml=_r(cement.ideal_body_ml),
        sliver_ml=_r(cement.sliver_ml),
        retropulsed_ml=_r(cement.retropulsed_ml),
        interval_parts_ml={k: _r(v) for k, v in cement.interval_parts_ml.items()},
        heights_mm=HeightsMm.of(vertebra.heights),
        expected_mm=HeightsMm.of(assessment.expected),
        ideal_mm=HeightsMm.of(cement.self_check.ideal),
        self_check_passed=cement.self_check.passed,
        genant=int(assessment.genant),
        fracture=assessment.shape.value,
        kyphosis_deg=None if assessment.kyphosis_deg is None else _r(assessment.kyphosis_deg),
        spongiosa_hu=None if vertebra.bone is None else _r(vertebra.bone.mean_hu),
        gas_ml=None if vertebra.bone is None else _r(vertebra.bone.gas_ml),
        paths=tuple(path_record(p) for p in trajectories.paths),
        refused_paths=tuple(str(why) for why in trajectories.refused),
        error_budget_mm={
            "registration": _r(budget.registration_mm),
            "tracker": _r(budget.tracker_mm),
            "arm": _r(budget.arm_mm),
            "segmentation": _r(budget.segmentation_mm),
            "angle_deg": _r(budget.angle_deg),
        },
        seed=trajectories.seed,
        configuration=configuration,
    ).sealed()


def path_record(path: Trajectory) -> PathRecord:
    """A path as it is stored."""
    margins = path.margins
    return PathRecord(
        side=path.side.value,
        kind=path.kind.value,
        entry_mm=_point(path.entry_lps_mm),
        target_mm=_point(path.target_lps_mm),
        waypoints_mm=tuple(_point(p) for p in path.waypoints_lps_mm),
        depth_mm=_r(path.depth_mm),
        diameter_mm=_r(path.diameter_mm),
        grade=path.grade.value,
        clearance_mm=_r(path.clearance_mm),
        resolution_mm=_r(path.resolution_mm),
        margins_mm={
            "medial": _r(margins.medial_mm),
            "lateral": _r(margins.lateral_mm),
            "cranial": _r(margins.cranial_mm),
            "caudal": _r(margins.caudal_mm),
        },
        canal_mm=_r(path.canal_mm),
        tip_margin_mm=_r(path.endplate_mm),
        p_breach=_r(path.p_breach),
        convergence_deg=_r(path.convergence_deg),
        sagittal_deg=_r(path.sagittal_deg),
        skin_mm=None if path.skin_mm is None else _r(path.skin_mm),
        warnings=path.warnings,
    )


def _point(values: Any) -> tuple[float, float, float]:
    x, y, z = (_r(v) for v in values)
    return x, y, z


def _r(value: float) -> float:
    return round(float(value), DIGITS) + 0.0  # no negative zero
