"""A sealed plan read back: what it says is believed only when it is whole, unaltered and of this schema."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from planning_core.case.plan import Plan
from planning_core.case.record import SealedRecord, TamperedPlanError, content_sha256
from planning_core.errors import InputError

SHOWN = 5
R = TypeVar("R", bound=SealedRecord)


class UnreadablePlanError(InputError):
    """A plan file that is cut off, that the disk does not give, or no plan at all. Carries ``problems``."""

    code = "unreadable_plan"


class OtherSchemaError(InputError):
    """A whole, unaltered plan that another version of the software made.

    Its fields may mean something else here, so it is not carried over: the CT is planned again. Carries ``made`` and ``reads``
    (schema versions), ``software`` and ``plan_hash``.
    """

    code = "other_plan_schema"


def read_sealed(content: bytes) -> Plan:
    """A stored plan on a CT; see ``read_record``."""
    return read_record(content, Plan)


def read_record(content: bytes, kind: type[R]) -> R:
    """A stored plan of a kind, its hash checked.

    Raises:
        UnreadablePlanError, OtherSchemaError: see there. TamperedPlanError: it was changed after it was sealed, whatever
            its schema.
    """
    stored = _object(content)
    if stored["schema_version"] != kind.SCHEMA:
        raise _of_other_schema(stored, kind.SCHEMA)
    try:
        plan = kind.model_validate_json(content)
    except ValidationError as error:
        raise _unreadable([f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()][:SHOWN]) from error
    plan.verify()
    return plan


def _object(content: bytes) -> dict[str, Any]:
    """The stored fields, with at least a schema version and a hash."""
    try:
        stored = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable([f"no JSON: {error}"]) from error
    if not isinstance(stored, dict):
        raise _unreadable(["no JSON object"])
    for name, kind in (("schema_version", int), ("plan_hash", str)):
        if type(stored.get(name)) is not kind:
            raise _unreadable([f"{name}: missing or no {kind.__name__}"])
    return stored


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _of_other_schema(stored: dict[str, Any], reads: int) -> InputError | TamperedPlanError:
    made, sealed = stored["schema_version"], stored.pop("plan_hash")
    computed = content_sha256(stored)
    if computed != sealed:
        return TamperedPlanError("the plan was changed after it was sealed", stored=sealed, computed=computed)
    which, remedy = ("an earlier", "plan again") if made < reads else ("a later", "open it with that, or plan again")
    return OtherSchemaError(
        f"made by {which} version (schema {made}, this one reads {reads}): {remedy}",
        made=made,
        reads=reads,
        software=str(stored.get("software", "")),
        plan_hash=sealed,
    )


def _unreadable(problems: list[str]) -> UnreadablePlanError:
    return UnreadablePlanError(f"the plan cannot be read: {problems[0]}", problems=problems)
