"""What the workers do: calls into planning_core, with results small enough for a message."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from pkp_lifecycle.units import cubic_metres, metres, millimetres

from planning_core.errors import InputError

if TYPE_CHECKING:
    from planning_core.case.plan import Plan

Tell = Callable[[str], None]


class OtherCtError(InputError):
    """The CT is not the one that was ingested. Carries ``ingested`` and ``found``."""

    code = "other_ct"


class OtherPlanError(InputError):
    """The sealed plan is not the one that is meant. Carries ``what``, ``asked`` and ``held``."""

    code = "other_plan"


class BadPointError(InputError):
    """A point that is not three finite numbers. Carries ``given``."""

    code = "bad_point"


@attrs.frozen
class CtFacts:
    """A CT that was read; spacing in m in the order of shape (slices, rows, columns)."""

    source: str
    ct_sha256: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    warnings: tuple[str, ...]


@attrs.frozen
class SegmentationFacts:
    """A segmentation kept in its case."""

    path: str
    sha256: str
    levels: tuple[str, ...]
    cut: tuple[str, ...]
    numbering_confidence: float


@attrs.frozen
class PlanFacts:
    """A sealed plan; volume in m³. ``ct_sha256``: empty where it was made on labels alone."""

    case_path: str
    plan_hash: str
    level: str
    sides: tuple[str, ...]
    ct_sha256: str
    recommended_volume: float
    verdict: str
    reasons: tuple[str, ...]


@attrs.frozen
class Job:
    """What is to be planned; ``at`` in m, ct_lps. Empty strings and an empty point mean not given."""

    source: str
    series: str = ""
    ct_sha256: str = ""
    case_path: str = ""
    level: str = ""
    at: tuple[float, ...] = ()
    product: str = ""


def ingest(source: str, series: str, tell: Tell) -> CtFacts:
    """Read a CT and refuse what cannot be planned on.

    Raises:
        InputError: one of ``planning_core.imaging.refusals``.
    """
    from planning_core.case.inputs import case_of, ct_series, ct_source, require_held
    from planning_core.imaging.ingest import load_ct

    tell("read")
    case = case_of(Path(source))
    if case is None:
        ct = load_ct(Path(source), series or None)
    else:  # a case's own link: what it leads to must still be the CT of that case
        ct = load_ct(ct_source(case), series or ct_series(case))
        require_held(case, ct.sha256)
    depth, rows, columns = (int(n) for n in ct.grid.shape)
    x, y, z = (metres(float(s)) for s in ct.grid.spacing_mm)
    return CtFacts(source, ct.sha256, (depth, rows, columns), (z, y, x), ct.warnings)


def reconstruct(job: Job, tell: Tell) -> SegmentationFacts:
    """Find and name the vertebrae; the segmentation stays in the case.

    Raises:
        PkpError: a refusal of planning_core; OtherCtError: the CT changed since it was ingested.
    """
    from planning_core.case.folder import Case
    from planning_core.case.inputs import link_ct
    from planning_core.pipeline import read, segment

    request = _request(job)
    tell("read")
    ct, _ = read(request)
    assert ct is not None
    _same(job, ct.sha256)
    case = Case(Path(job.case_path))
    with case.writing():
        case.claim(ct.sha256, None)
        link_ct(case, request.ct, request.series)
        tell("segment")
        found = segment(request, ct, case)
    kept = max((case.path / "stages").glob("segmentation-*.npz"), key=lambda p: p.stat().st_mtime_ns)
    with kept.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    cut = tuple(f"{p.level.value}: {p.reason}" for p in found.partial)
    levels = tuple(level.value for level in found.levels)
    return SegmentationFacts(str(kept.relative_to(case.path)), digest, levels, cut, float(found.numbering.confidence))


def plan_case(job: Job, tell: Tell) -> PlanFacts:
    """The whole planning walk, or, without a source, the sealed plan that the case holds.

    Raises:
        PkpError: a refusal of planning_core; OtherCtError: the CT changed since it was ingested.
    """
    from planning_core.case.folder import Case
    from planning_core.pipeline import run

    def open_case(sha256: str) -> Case:
        _same(job, sha256)
        return Case(Path(job.case_path))

    if not job.source:
        tell("open")
        return _facts(job, opened(job))
    return _facts(job, run(_request(job), open_case, tell).plan)


def opened(job: Job) -> Plan:
    """The newest sealed plan of a case, its hash checked, if it is the one that is meant.

    Raises:
        NoPlanError, UnreadablePlanError, TamperedPlanError: of ``planning_core.case``.
        OtherPlanError: of another level or product than asked for. OtherCtError: made from another CT.
    """
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.case.revisions import open_plan

    if not job.case_path:
        raise InputError("no case folder was named")
    plan = open_plan(Path(job.case_path))
    level = VertebraLevel.parse(job.level).value if job.level else ""
    for what, asked, held in (("level", level, plan.level), ("product", job.product, plan.product)):
        if asked and asked != held:
            raise OtherPlanError(f"the sealed plan is for {what} {held}, not {asked}", what=what, asked=asked, held=held)
    _same(job, plan.ct_sha256 or "")
    return plan


def _facts(job: Job, plan: Plan) -> PlanFacts:
    return PlanFacts(
        case_path=str(Path(job.case_path).resolve()),
        plan_hash=plan.plan_hash,
        level=plan.level,
        sides=tuple(dict.fromkeys(path.side for path in plan.paths)),  # a side may have several paths, the best first
        ct_sha256=plan.ct_sha256 or "",
        recommended_volume=cubic_metres(plan.recommended_ml),
        verdict=plan.verdict,
        reasons=plan.reasons,
    )


def _same(job: Job, sha256: str) -> None:
    if job.ct_sha256 and job.ct_sha256 != sha256:
        raise OtherCtError("the CT is not the one that was ingested", ingested=job.ct_sha256, found=sha256)


def _request(job: Job) -> Any:
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.configuration import load_configuration
    from planning_core.request import Request

    if not job.case_path:
        raise InputError("no case folder was named")
    if job.at and (len(job.at) != 3 or not np.isfinite(job.at).all()):
        raise BadPointError(f"a point has three finite coordinates, got {list(job.at)}", given=[str(c) for c in job.at])
    return Request(
        Path(job.source),
        VertebraLevel.parse(job.level) if job.level else None,
        np.array([millimetres(c) for c in job.at]) if job.at else None,
        series=job.series or None,
        configuration=load_configuration(None, job.product or None),
    )
