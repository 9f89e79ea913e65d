"""A plan with one path moved by a person: a new plan with its own hash; the one it came from stays as it is."""

from __future__ import annotations

from planning_core.case.plan import PathRecord, Plan, path_record
from planning_core.errors import InputError
from planning_core.trajectory.moved import MovedPath


class UnsafePathError(InputError):
    """A moved path that breaks a hard limit is shown, and never kept. Carries ``objections``."""

    code = "unsafe_path"


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
