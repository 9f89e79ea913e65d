"""What the newest planning in the console was asked, and which plan came of it: no other plan's paths are judged on that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
from attrs.validators import instance_of, optional

from pkp_console.refusals import NotPlannedHereError
from pkp_console.store import REQUEST, read_object
from planning_core.case.folder import Case
from planning_core.case.plan import Plan
from planning_core.case.revisions import line_of

Point = tuple[float, float, float]


def _point(given: Any) -> Point | None:
    if given is None:
        return None
    x, y, z = given
    return float(x), float(y), float(z)


@attrs.frozen
class Asked:
    """One planning of a case.

    Args:
        level: as it was named, if it was. at: the ct_lps point (mm) that was said to lie in it, if one was.
        product: cement, None for the default. plan_hash: of the plan that came of it.
    """

    level: str | None = attrs.field(validator=optional(instance_of(str)))
    at: Point | None = attrs.field(converter=_point)
    product: str | None = attrs.field(validator=optional(instance_of(str)))
    plan_hash: str = attrs.field(validator=instance_of(str))

    @classmethod
    def of(cls, case_path: Path) -> Asked:
        """As it was kept.

        Raises:
            NotPlannedHereError: nothing was, it cannot be read, or it is from before it named its plan.
        """
        said = read_object(case_path / REQUEST) or {}
        try:
            return cls(said["level"], said["at"], said["product"], said["plan_hash"])
        except (KeyError, TypeError, ValueError) as error:
            raise NotPlannedHereError(
                "how this case was planned in the console is not known: plan it again here to move its paths", missing="request"
            ) from error

    def keep(self, case: Case) -> None:
        """Write it down in a case that is held for writing."""
        case.write(REQUEST, json.dumps(attrs.asdict(self)).encode())


def require_own(case_path: Path, plan_hash: str, plan: Plan) -> None:
    """Refuse a plan that stands on another numbering: "L1" may be another vertebra there.

    Args:
        plan_hash: of the plan that came of the numbering at hand.

    Raises:
        NotPlannedHereError: the plan is neither that one nor a revision of it.
    """
    if plan.plan_hash != plan_hash and plan.plan_hash not in line_of(case_path, plan_hash):
        raise NotPlannedHereError(
            f"plan {plan.plan_hash[:12]} did not come of this case's newest planning in the console: plan its level again here",
            missing="request",
        )
