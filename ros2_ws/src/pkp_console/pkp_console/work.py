"""What the console's worker processes do: import and planning. Arguments and answers are plain values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np

from pkp_console.asked import Asked
from pkp_console.store import SOURCE
from pkp_console.turn import in_turn
from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.revisions import keep_newest

Tell = Callable[[str], None]


@attrs.frozen
class ImportJob:
    """An upload to make a case of.

    Args:
        folder: holds the parts. kind: zip, dicom, nii or nii.gz. series: which, where there are several.
        root: the case store. by: who asked.
    """

    folder: str
    kind: str
    series: str | None
    root: str
    by: str
    unpacked_bytes: int
    files: int


@attrs.frozen
class PlanJob:
    """A level to plan: ``at`` is (x, y, z) ct_lps mm or None."""

    case_path: str
    source: str
    series: str | None
    level: str | None
    at: tuple[float, float, float] | None
    product: str | None
    by: str


def import_ct(job: ImportJob, tell: Tell) -> str:
    """Read an upload as a CT, and make or complete its case; returns the case's id.

    The case is known by the input's hash: the same CT twice is one case.

    Raises:
        PkpError: a refusal of planning_core by name, or BadUploadError, TooLargeError.
    """
    from pkp_console.unpack import unpack
    from pkp_console.view_files import write_view_files
    from planning_core.imaging.identity import pseudonym
    from planning_core.imaging.ingest import load_ct

    folder = Path(job.folder)
    given = folder / "dicom" if job.kind in ("zip", "dicom") else folder / f"ct.{job.kind}"
    if job.kind == "zip" and not given.is_dir():
        tell("unpack")
        unpack(folder / "upload.zip", given, job.unpacked_bytes, job.files)
    tell("read")
    ct = load_ct(given, job.series)
    case = Case(Path(job.root) / pseudonym(ct.sha256))
    with case.writing():
        case.claim(ct.sha256, None)
        tell("view")
        write_view_files(case, ct)
        kept = case.path / "input" / given.name
        if kept.is_dir():
            shutil.rmtree(kept)
        kept.parent.mkdir(exist_ok=True)
        shutil.move(given, kept)
        case.write(SOURCE, json.dumps({"name": kept.name, "series": job.series}).encode())
        shape = [int(n) for n in ct.grid.shape]
        audit.record(case.path, "imported", ct_sha256=ct.sha256, shape=shape, source=ct.source, by=job.by)
    return case.path.name


def plan_case(job: PlanJob, tell: Tell) -> str:
    """The whole planning walk in the case's folder; returns the plan's hash. An earlier plan is kept as a revision.

    Raises:
        PkpError: a refusal of planning_core by name.
    """
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.configuration import load_configuration
    from planning_core.pipeline import run
    from planning_core.request import Request

    case = Case(Path(job.case_path))
    request = Request(
        Path(job.source),
        VertebraLevel.parse(job.level) if job.level else None,
        None if job.at is None else np.array(job.at),
        series=job.series,
        configuration=load_configuration(None, job.product),
    )
    with case.writing():
        keep_newest(case)  # a case of before revisions were kept has it nowhere else
    plan = run(request, lambda sha256: case, tell).plan
    with in_turn(case):  # the plan is sealed: what belongs to it is not given up because somebody approves another just now
        Asked(job.level, job.at, job.product, plan.plan_hash).keep(case)
        audit.record(case.path, "planned_by", plan_hash=plan.plan_hash, by=job.by)
    return plan.plan_hash
