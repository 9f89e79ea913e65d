"""The whole planning walk, top to bottom: CT in, millilitres and needle paths out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from planning_core import __version__
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine
from planning_core.case.folder import Case, stage_key
from planning_core.case.plan import Plan, make_plan
from planning_core.cement.plan import CementPlan
from planning_core.configuration import Configuration
from planning_core.errors import AmbiguousError, InputError
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.identity import PatientIdentity
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.plan import TrajectoryPlan

NEIGHBOURS = 2.0
"""Levels modelled on either side of the planned one; all that were segmented take part in naming."""


class MissingLevelError(InputError):
    """The level asked for is not among the complete vertebrae. Carries ``level``, ``found`` and ``cut``."""

    code = "missing_level"


class LevelNotGivenError(AmbiguousError):
    """No level was named. Carries ``found``: heights and grade of each."""

    code = "level_not_given"


@attrs.frozen(eq=False)
class Request:
    """What is to be planned.

    Args:
        ct: path of the CT, or None to plan from labels alone. labels: label map made elsewhere.
        level: to plan. at: a ct_lps point (mm) that the operator says lies in that level.
        identity: shown in the report when given.
    """

    ct: Path | None
    level: VertebraLevel | None
    at: FloatArray | None = None
    labels: Path | None = None
    label_scheme: str | None = None
    series: str | None = None
    configuration: Configuration = attrs.field(factory=Configuration)
    identity: PatientIdentity | None = None


@attrs.frozen(eq=False)
class Outcome:
    """A plan with how long each stage took, s."""

    plan: Plan
    seconds: dict[str, float]


Progress = Callable[[str], None]


def run(request: Request, open_case: Callable[[str], Case], progress: Progress = lambda stage: None) -> Outcome:
    """Plan one level and leave the case folder complete.

    Args:
        open_case: gives the case for the input's hash. progress: told each stage as it begins.

    Raises:
        PkpError: a refusal by name; then no plan is written.
    """
    from planning_core.anatomy.modelling import model_spine
    from planning_core.cement.planner import plan_cement
    from planning_core.trajectory.planner import plan_trajectories

    clock = Clock(progress)
    configuration = request.configuration
    with clock("read"):
        ct = _read(request)
        labels_sha256 = _sha256(request.labels) if request.labels is not None else None
    case = open_case(ct.sha256 if ct is not None else str(labels_sha256))
    with case.writing():
        with clock("segment"):
            segmentation = _segment(request, ct, case, labels_sha256)
        level = _level(request, segmentation)
        with clock("model"):
            near = [v for v in segmentation.levels if abs(v.ordinal - level.ordinal) <= NEIGHBOURS]
            spine = model_spine(segmentation, ct, near, configuration.anatomy)
            if level not in spine.vertebrae:
                raise MissingLevelError("; ".join(spine.notes), level=level.value, found=[v.value for v in spine.levels], cut=[])
        with clock("cement"):
            cement = plan_cement(spine, level, configuration.cement, configuration.anatomy)
        with clock("paths"):
            trajectories = plan_trajectories(spine, level, cement, ct, configuration.trajectory)
        plan = make_plan(
            segmentation,
            spine,
            cement,
            trajectories,
            configuration,
            ct_sha256=ct.sha256 if ct is not None else None,
            labels_sha256=labels_sha256,
            warnings=ct.warnings if ct is not None else ("planned from masks alone: bone quality, clefts and skin need a CT",),
        )
        with clock("report"):
            _leave(case, request, ct, segmentation, spine, cement, trajectories, plan)
    return Outcome(plan, clock.seconds)


class Clock:
    """Times stages and tells them."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time one stage."""
        self._progress(stage)
        began = time.monotonic()
        yield
        self.seconds[stage] = round(time.monotonic() - began, 3)


def _read(request: Request) -> CtVolume | None:
    from planning_core.imaging.ingest import load_ct

    if request.ct is None:
        if request.labels is None:
            raise InputError("nothing to plan on: give a CT, or a label map with --labels")
        return None
    return load_ct(request.ct, request.series, request.configuration.imaging)


def _segment(request: Request, ct: CtVolume | None, case: Case, labels_sha256: str | None) -> SpineSegmentation:
    """Segment, or take up what an earlier run of the same case left."""
    from planning_core.anatomy.label_file import LabelFileSegmenter

    if request.labels is not None:
        segmenter = LabelFileSegmenter(request.labels, request.label_scheme)
        anchor = (request.level, request.at) if request.level is not None and request.at is not None else None
        return segmenter.segment(ct, anchor) if ct is not None else segmenter.read()
    assert ct is not None
    from planning_core.anatomy.builtin import BuiltInSegmenter, weights_sha256

    anchor = (request.level, request.at) if request.level is not None and request.at is not None else None
    said = f"{anchor[0].value} {[round(float(c), 3) for c in anchor[1]]}" if anchor is not None else "no anchor"
    key = stage_key(ct.sha256, __version__, weights_sha256(), said)
    segmentation = case.load_segmentation(key)
    if segmentation is None:
        segmentation = BuiltInSegmenter().segment(ct, anchor)
        case.save_segmentation(key, segmentation)
    return segmentation


def _level(request: Request, segmentation: SpineSegmentation) -> VertebraLevel:
    found = [v.value for v in segmentation.levels]
    if request.level is None:
        raise LevelNotGivenError(f"which level? Found: {', '.join(found) or 'none'}. Name one with --level", found=found)
    if request.level in segmentation.boundaries:
        return request.level
    cut = [f"{p.level.value} ({p.reason})" for p in segmentation.partial]
    why = next((p.reason for p in segmentation.partial if p.level is request.level), "not in the image")
    raise MissingLevelError(
        f"{request.level.value} cannot be planned: {why}. Complete: {', '.join(found) or 'none'}; "
        f"cut: {', '.join(cut) or 'none'}",
        level=request.level.value,
        found=found,
        cut=cut,
    )


def _leave(
    case: Case,
    request: Request,
    ct: CtVolume | None,
    segmentation: SpineSegmentation,
    spine: Spine,
    cement: CementPlan,
    trajectories: TrajectoryPlan,
    plan: Plan,
) -> None:
    """Everything a case folder holds; the plan last, so that it is there only when all else is."""
    from planning_core.case import audit
    from planning_core.case.dicom_seg import write_dicom_seg
    from planning_core.case.exports import write_labels, write_surfaces
    from planning_core.case.report.page import render, summary_png
    from planning_core.case.report.pictures import Subject

    subject = Subject(ct, segmentation, spine, cement, trajectories)
    write_labels(case, segmentation)
    write_surfaces(case, spine, cement, trajectories)
    write_dicom_seg(case, segmentation, ct.sha256 if ct is not None else str(plan.labels_sha256))
    case.write("report.html", render(subject, plan, request.identity))
    case.write("report.png", summary_png(subject, plan))
    case.write("plan.json", plan.to_json().encode())
    audit.record(case.path, "planned", level=plan.level, verdict=plan.verdict, plan_hash=plan.plan_hash, software=plan.software)


def _sha256(path: Path) -> str:
    import hashlib

    from planning_core.imaging.refusals import UnreadableFileError

    if not path.is_file():
        raise UnreadableFileError(f"no file {path.name}", reason="not there")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
