"""The whole planning walk, top to bottom: CT in, millilitres and needle paths out.

Each stage is one function with one typed, frozen result; the heavy ones are imported when their turn comes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.aside import ILLUSTRATOR, Aside
from planning_core.case import audit
from planning_core.case.finished import finished_plan, is_marked, mark_finished
from planning_core.case.folder import Case
from planning_core.case.inputs import link_ct
from planning_core.case.plan import Plan, make_plan
from planning_core.case.stage import code_sha256, kept, segmentation_code_sha256, stage_key
from planning_core.cement.plan import CementPlan
from planning_core.errors import PkpError
from planning_core.imaging.volume import CtVolume
from planning_core.request import MissingLevelError, Request, asked_level
from planning_core.trajectory.plan import TrajectoryPlan

NEIGHBOURS = 2.0
"""Levels modelled on either side of the planned one; all that were segmented take part in naming."""
FROM_MASKS = "planned from masks alone: bone quality, gas clefts and the skin need a CT"

Progress = Callable[[str], None]


@attrs.frozen(eq=False)
class Outcome:
    """A plan with how long each stage took, s."""

    plan: Plan
    seconds: dict[str, float]


def run(
    request: Request,
    open_case: Callable[[str], Case],
    progress: Progress = lambda stage: None,
    illustrator: Aside | None = None,
) -> Outcome:
    """Plan one level and leave the case folder complete.

    Args:
        open_case: gives the case for the input's hash. progress: told each stage as it begins.
        illustrator: the second process (``ILLUSTRATOR``), where it was started before; it is at its end afterwards.

    Raises:
        PkpError: a refusal by name; then no plan is written, and an earlier one stays as it was.
    """
    with illustrator or Aside(ILLUSTRATOR) as aside:
        return _run(request, open_case, Clock(progress), aside)


def _run(request: Request, open_case: Callable[[str], Case], clock: Clock, illustrator: Aside) -> Outcome:
    with clock("read"):
        ct, labels_sha256 = read(request)
    case = open_case(ct.sha256 if ct is not None else str(labels_sha256))
    case.keep_clear(request.ct, request.labels)
    with case.writing():
        case.claim(ct.sha256 if ct is not None else None, labels_sha256)
        if request.ct is not None:
            link_ct(case, request.ct, request.series)
        with refusals_on_record(case, request):
            key = plan_key(request, ct, labels_sha256)
            plan = unchanged(case, key, clock)
            if plan is None:
                plan = walk(request, ct, labels_sha256, case, key, clock, illustrator)
                mark_finished(case, key)
    return Outcome(plan, clock.seconds)


def plan_key(request: Request, ct: CtVolume | None, labels_sha256: str | None) -> str:
    """One hash over everything that a plan and its report depend on."""
    from planning_core.anatomy.builtin import weights_sha256

    return stage_key(
        str(ct and ct.sha256),
        str(labels_sha256),
        str(request.label_scheme),
        *(ct.warnings if ct is not None else ()),
        str(request.level and request.level.value),
        said(request),
        str(request.identity),
        request.configuration.model_dump_json(),
        weights_sha256(),
        code_sha256(),
    )


def unchanged(case: Case, key: str, clock: Clock) -> Plan | None:
    """The plan that an earlier run of the same request finished, when it is still whole."""
    if not is_marked(case, key):
        return None
    with clock("unchanged"):
        plan = finished_plan(case, key)
        if plan is not None:
            audit.record(case.path, "unchanged", level=plan.level, plan_hash=plan.plan_hash)
    return plan


def walk(
    request: Request, ct: CtVolume | None, labels_sha256: str | None, case: Case, key: str, clock: Clock, illustrator: Aside
) -> Plan:
    """Segment, model, cement, paths, report; what a run that did not get to its end has left under ``key`` is taken up."""
    from planning_core.anatomy.modelling import model_spine
    from planning_core.cement.planner import plan_cement
    from planning_core.trajectory.planner import plan_trajectories

    configuration = request.configuration
    with clock("segment"):
        segmentation = segment(request, ct, case)
        level = asked_level(request, segmentation)
    dicom_seg = illustrator.ask("segmented", ct, segmentation, labels_sha256, request.identity)
    with clock("model"):
        near = [v for v in segmentation.levels if abs(v.ordinal - level.ordinal) <= NEIGHBOURS]
        spine = model_spine(segmentation, ct, near, configuration.anatomy)
        if level not in spine.vertebrae:
            found = [v.value for v in spine.levels]
            why = next((n for n in spine.notes if n.startswith(f"{level.value}:")), f"{level.value} cannot be modelled")
            raise MissingLevelError(why, level=level.value, found=found, cut=[])
    bones = illustrator.ask("modelled", spine, level)
    with clock("cement"):
        cement = kept(
            case, "cement", key, CementPlan, lambda: plan_cement(spine, level, configuration.cement, configuration.anatomy)
        )
    defect = illustrator.ask("cemented", cement)
    with clock("paths"):
        trajectories = kept(
            case, "paths", key, TrajectoryPlan, lambda: plan_trajectories(spine, level, cement, ct, configuration.trajectory)
        )
    with clock("report"):
        from planning_core.case.contents import Illustrated, fill
        from planning_core.case.report.subject import Subject

        sliced = illustrator.ask("planned", trajectories)
        plan = make_plan(
            segmentation,
            spine,
            cement,
            trajectories,
            configuration,
            ct_sha256=ct.sha256 if ct is not None else None,
            labels_sha256=labels_sha256,
            warnings=ct.warnings if ct is not None else (FROM_MASKS,),
        )
        subject = Subject(ct, segmentation, spine, cement, trajectories, bones.result().with_more(defect.result()))
        fill(case, subject, plan, request.identity, Illustrated(illustrator, dicom_seg, sliced))
    return plan


def read(request: Request) -> tuple[CtVolume | None, str | None]:
    """The CT, where there is one, and the label file's hash, where there is one."""
    from planning_core.imaging.ingest import load_ct
    from planning_core.imaging.refusals import UnreadableFileError

    labels_sha256 = None
    if request.labels is not None:
        if not request.labels.is_file():
            raise UnreadableFileError("the label file is not there", reason="not there")
        with request.labels.open("rb") as file:
            labels_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    ct = None if request.ct is None else load_ct(request.ct, request.series, request.configuration.imaging)
    return ct, labels_sha256


def segment(request: Request, ct: CtVolume | None, case: Case) -> SpineSegmentation:
    """Read the labels given, or take up what an earlier run of the case left, or segment."""
    if request.labels is not None:
        from planning_core.anatomy.label_file import LabelFileSegmenter

        from_file = LabelFileSegmenter(request.labels, request.label_scheme)
        return from_file.segment(ct, request.anchor) if ct is not None else from_file.read(request.anchor)
    assert ct is not None  # a Request has one or the other
    from planning_core.anatomy.builtin import BuiltInSegmenter, weights_sha256

    key = stage_key(ct.sha256, segmentation_code_sha256(), weights_sha256(), said(request))
    return kept(case, "segmentation", key, SpineSegmentation, lambda: BuiltInSegmenter().segment(ct, request.anchor))


def said(request: Request) -> str:
    """The operator's word on the numbering, for a key."""
    return "no anchor" if request.anchor is None else f"{request.anchor[0].value} {request.anchor[1].tolist()}"


@contextmanager
def refusals_on_record(case: Case, request: Request) -> Iterator[None]:
    """A refusal is an event of the case too."""
    try:
        yield
    except PkpError as error:
        level = request.level.value if request.level is not None else None
        audit.record(case.path, "refused", level=level, code=error.code, message=error.message)
        raise


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
