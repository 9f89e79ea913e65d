"""Fill a case folder with a plan and all that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import trimesh

from planning_core.case import audit, revisions
from planning_core.case.dicom_seg import write_dicom_seg
from planning_core.case.exports import write_labels, write_surfaces
from planning_core.case.folder import Case
from planning_core.case.plan import Plan
from planning_core.case.report.drawings import draw_all
from planning_core.case.report.page import render
from planning_core.case.report.pictures import Subject
from planning_core.case.report.sheet import sheet
from planning_core.imaging.identity import PatientIdentity


def fill(case: Case, subject: Subject, plan: Plan, identity: PatientIdentity | None = None) -> None:
    """Replace what the folder held. The plan is written last: where it is, everything else is.

    Args:
        subject: what the plan was made from. identity: shown in the report when given;
            the DICOM SEG then belongs to the patient's study.

    Raises:
        TamperedPlanError: a kept revision of this very plan was altered; then nothing is replaced.
    """
    revisions.check(case, plan)
    case.withdraw()
    surfaces = subject.surfaces  # made once, before two threads ask for them
    with ThreadPoolExecutor(1) as pool:
        files = pool.submit(_write_files, case, subject, plan, surfaces, identity)
        drawings = draw_all(subject)  # in this thread alone: matplotlib draws in one
        case.write("report.html", render(subject, plan, drawings, identity))
        case.write("report.png", sheet(plan, drawings).png())
        files.result()
    revisions.keep(case, plan)
    case.write(revisions.NEWEST, plan.to_json().encode())
    audit.record(case.path, "planned", level=plan.level, verdict=plan.verdict, plan_hash=plan.plan_hash, software=plan.software)


def _write_files(
    case: Case, subject: Subject, plan: Plan, surfaces: Mapping[str, trimesh.Trimesh], identity: PatientIdentity | None
) -> None:
    """What other programs read."""
    write_labels(case, subject.segmentation)
    write_surfaces(case, surfaces)
    source = subject.ct.dicom if subject.ct is not None else None
    write_dicom_seg(case, subject.segmentation, str(plan.ct_sha256 or plan.labels_sha256), source, identity)
