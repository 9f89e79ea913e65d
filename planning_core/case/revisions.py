"""Plans that were sealed stay: a new plan of a case never takes the place of one that somebody may have approved."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TypeVar

from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.plan import Plan, TamperedPlanError
from planning_core.case.record import SealedRecord
from planning_core.case.sealed import OtherSchemaError, UnreadablePlanError, read_record, read_sealed
from planning_core.errors import InputError

FOLDER = Plan.FOLDER
NEWEST = Plan.NEWEST
R = TypeVar("R", bound=SealedRecord)
DIGITS = 12


class NoPlanError(InputError):
    """The case holds no such plan, or is not there. Carries ``case`` and ``asked`` (hash; empty: the newest)."""

    code = "no_plan"


def keep(case: Case, plan: SealedRecord) -> None:
    """``<folder of its kind>/<first digits of the hash>.json``; a revision that is there already is never written again.

    Raises:
        TamperedPlanError: see ``check``.
    """
    check(case, plan)
    if not revision_path(case.path, plan.plan_hash, plan.FOLDER).exists():
        case.write(f"{plan.FOLDER}/{plan.plan_hash[:DIGITS]}.json", plan.to_json().encode())


def keep_newest(case: Case) -> None:
    """Keep the plan that the case holds now, before another takes its place; one of another schema as the bytes that it is.

    Raises:
        UnreadablePlanError, TamperedPlanError: see there.
    """
    place = case.path / NEWEST
    if not place.is_file():
        return
    content = place.read_bytes()
    try:
        keep(case, read_sealed(content))
    except OtherSchemaError as error:
        if not revision_path(case.path, error.plan_hash).exists():
            case.write(f"{FOLDER}/{error.plan_hash[:DIGITS]}.json", content)


def check(case: Case, plan: SealedRecord) -> None:
    """Refuse before anything is written where the revision of this hash was altered.

    Raises:
        TamperedPlanError: what stands under the plan's hash is something else.
    """
    place = revision_path(case.path, plan.plan_hash, plan.FOLDER)
    if place.exists() and place.read_bytes() != plan.to_json().encode():
        raise TamperedPlanError("a kept revision of this plan was changed", stored=place.stem, computed=plan.plan_hash)


def revision_path(case_path: Path, plan_hash: str, folder: str = FOLDER) -> Path:
    """Where the revision with this hash is kept."""
    return case_path / folder / f"{plan_hash[:DIGITS]}.json"


def open_plan(case_path: Path, plan_hash: str = "") -> Plan:
    """A sealed plan on a CT; see ``open_record``."""
    return open_record(case_path, Plan, plan_hash)


def open_record(case_path: Path, kind: type[R], plan_hash: str = "") -> R:
    """A sealed plan of a case and a kind, its hash checked.

    Args:
        plan_hash: which one; empty: the newest. A hash of another length than SHA-256's is no plan's.

    Raises:
        NoPlanError, OtherSchemaError, TamperedPlanError: see there. UnreadablePlanError: or the disk does not give it.
    """
    if plan_hash and (len(plan_hash) != 64 or not set(plan_hash) <= set("0123456789abcdef")):
        raise NoPlanError(f"{plan_hash[:64]!r} is no SHA-256", case=case_path.name, asked=plan_hash[:64])
    place = revision_path(case_path, plan_hash, kind.FOLDER) if plan_hash else case_path / kind.NEWEST
    try:
        if plan_hash and not place.is_file():
            place = case_path / kind.NEWEST  # a case of before revisions were kept
        plan = read_record(place.read_bytes(), kind) if place.is_file() else None
    except OSError as error:  # its own words would name the folder, and that perhaps the patient
        why = error.strerror or type(error).__name__
        raise UnreadablePlanError(f"the case cannot be read: {why}", problems=[why]) from error
    if plan is None and not case_path.is_dir():
        raise NoPlanError("there is no such case folder", case=case_path.name, asked=plan_hash)
    if plan is None or (plan_hash and plan.plan_hash != plan_hash):
        which = f"plan {plan_hash[:DIGITS]}…" if plan_hash else "sealed plan"
        raise NoPlanError(f"the case holds no {which}", case=case_path.name, asked=plan_hash)
    return plan


def newest(case_path: Path) -> Plan | None:
    """The newest sealed plan, None in a case that has none yet.

    Raises:
        UnreadablePlanError, OtherSchemaError, TamperedPlanError: see there.
    """
    return open_plan(case_path) if (case_path / NEWEST).is_file() else None


def kept(case_path: Path) -> list[Plan]:
    """Every sealed plan of a case: the newest first, then the revisions as they were sealed.

    What was altered, is of another schema or is not given by the disk is left out.
    """
    revisions = sorted((case_path / FOLDER).glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
    found: dict[str, Plan] = {}
    for place in (case_path / NEWEST, *revisions):
        if place.is_file():
            with contextlib.suppress(UnreadablePlanError, OtherSchemaError, TamperedPlanError, OSError):
                plan = read_sealed(place.read_bytes())
                found.setdefault(plan.plan_hash, plan)
    return list(found.values())


def line_of(case_path: Path, plan_hash: str) -> frozenset[str]:
    """A plan and every revision made of it, of those, and so on, by their hashes, as the case's audit chain has them.

    Raises:
        BrokenAuditError: the chain does not hold together.
    """
    line = {plan_hash}
    for event in audit.events(case_path):
        if event.get("event") == "revised" and str(event.get("of")) in line:
            line.add(str(event.get("plan_hash")))
    return frozenset(line)
