"""A plan with one path moved by a person: a new plan with its own hash; the one it came from stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.plan import PathRecord, Plan, TamperedPlanError, path_record
from planning_core.errors import InputError
from planning_core.trajectory.moved import MovedPath

FOLDER = "revisions"
HASH_DIGITS = 64


class UnsafePathError(InputError):
    """A moved path that breaks a hard limit is shown, and never kept. Carries ``objections``."""

    code = "unsafe_path"


class NoSuchRevisionError(InputError):
    """The case holds no plan with this hash. Carries ``plan_hash``."""

    code = "no_such_revision"


class NoSuchPathError(InputError):
    """The plan has no path of this side and kind. Carries ``side``, ``kind`` and ``paths``."""

    code = "no_such_path"


def path_of(plan: Plan, side: str, kind: str) -> PathRecord:
    """One path of a plan.

    Raises:
        NoSuchPathError: see there.
    """
    found = next((p for p in plan.paths if p.side == side and p.kind == kind), None)
    if found is None:
        names = [f"{p.side} {p.kind}" for p in plan.paths]
        raise NoSuchPathError(f"the plan has no path {side} {kind}", side=side, kind=kind, paths=names)
    return found


def revised(plan: Plan, side: str, kind: str, moved: MovedPath) -> Plan:
    """The plan with one path replaced, sealed anew; its warnings say where it came from.

    Raises:
        UnsafePathError: the moved path breaks a hard limit. NoSuchPathError: see there.
    """
    path_of(plan, side, kind)
    if moved.objections or moved.trajectory is None:
        raise UnsafePathError(f"this path cannot be kept: {'; '.join(moved.objections)}", objections=list(moved.objections))
    record = path_record(moved.trajectory)
    paths = tuple(record if (p.side, p.kind) == (side, kind) else p for p in plan.paths)
    said = f"path {side} {kind.replace('_', ' ')} was moved by hand; revision of plan {plan.plan_hash[:12]}"
    return plan.model_copy(update={"paths": paths, "warnings": (*plan.warnings, said), "plan_hash": ""}).sealed()


def keep(case: Case, plan: Plan, event: str, **facts: object) -> Path:
    """Store a sealed plan beside the case's own, in a folder of its own that a PlanReference can name, and note it."""
    place = case.write(f"{FOLDER}/{plan.plan_hash}/plan.json", plan.to_json().encode())
    audit.record(case.path, event, level=plan.level, plan_hash=plan.plan_hash, **facts)
    return place.parent


def find_plan(case: Case, plan_hash: str) -> tuple[Plan, Path]:
    """A sealed plan of the case by its hash, and the folder it is in.

    Raises:
        NoSuchRevisionError: none. TamperedPlanError: its content is not what was hashed, or is no plan at all.
    """
    if len(plan_hash) != HASH_DIGITS or any(c not in "0123456789abcdef" for c in plan_hash):
        raise NoSuchRevisionError("a plan hash is 64 hexadecimal digits", plan_hash=plan_hash[:HASH_DIGITS])
    for folder in (case.path, case.path / FOLDER / plan_hash):
        plan = stored_plan(folder)
        if plan is not None and plan.plan_hash == plan_hash:
            return plan, folder
    raise NoSuchRevisionError("this case holds no plan with that hash", plan_hash=plan_hash)


def stored_plan(folder: Path) -> Plan | None:
    """The plan in a folder, its hash checked; None without one.

    Raises:
        TamperedPlanError: it is not what was sealed.
    """
    place = folder / "plan.json"
    if not place.is_file():
        return None
    try:
        plan = Plan.model_validate(json.loads(place.read_text()))
    except (ValidationError, ValueError) as error:
        raise TamperedPlanError("the stored plan cannot be read: it was changed or is of another version") from error
    plan.verify()
    return plan
