"""Fill a case folder with a plan and all that goes with it."""

from __future__ import annotations

from concurrent.futures import Future

import attrs

from planning_core.aside import Asked, Here
from planning_core.case import audit, revisions
from planning_core.case.exports import write_labels, write_surfaces
from planning_core.case.folder import Case
from planning_core.case.plan import Plan
from planning_core.case.report.scene import parts_of
from planning_core.case.report.still import still_views
from planning_core.case.report.subject import Subject
from planning_core.imaging.identity import PatientIdentity


@attrs.frozen(eq=False)
class Illustrated:
    """An ``Illustrator`` that was told all up to ``planned``, the DICOM SEG file it makes, and the end of drawing slices."""

    illustrator: Asked
    dicom_seg: Future[bytes]
    sliced: Future[None]


def fill(
    case: Case, subject: Subject, plan: Plan, identity: PatientIdentity | None = None, illustrated: Illustrated | None = None
) -> None:
    """Replace what the folder held. The plan is written last: where it is, everything else is.

    Args:
        subject: what the plan was made from. identity: shown in the report when given;
            the DICOM SEG then belongs to the patient's study.
        illustrated: what is drawn beside the planning; without it everything is drawn here.

    Raises:
        TamperedPlanError: a kept revision of this very plan was altered; then nothing is replaced.
    """
    revisions.check(case, plan)
    case.withdraw()
    illustrated = illustrated or illustrated_here(subject, plan, identity)
    parts = parts_of(subject)
    views = still_views(parts, subject.vertebra.ct_lps_from_vertebra.translation_mm)
    report = illustrated.illustrator.ask("reported", plan, parts, views, identity)
    write_labels(case, subject.segmentation)
    write_surfaces(case, subject.surfaces)
    case.write("segmentation.dcm", illustrated.dicom_seg.result())
    illustrated.sliced.result()
    page, sheet = report.result()
    case.write("report.html", page)
    case.write("report.png", sheet)
    revisions.keep(case, plan)
    case.write(revisions.NEWEST, plan.to_json().encode())
    audit.record(case.path, "planned", level=plan.level, verdict=plan.verdict, plan_hash=plan.plan_hash, software=plan.software)


def illustrated_here(subject: Subject, plan: Plan, identity: PatientIdentity | None) -> Illustrated:
    """Everything that is drawn before the report, drawn in this process."""
    from planning_core.case.illustrator import Illustrator

    here = Here(Illustrator())
    dicom_seg = here.ask("segmented", subject.ct, subject.segmentation, plan.labels_sha256, identity)
    here.ask("modelled", subject.spine, subject.cement.level).result()
    here.ask("cemented", subject.cement).result()
    return Illustrated(here, dicom_seg, here.ask("planned", subject.trajectories))
