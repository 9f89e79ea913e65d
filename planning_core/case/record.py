"""What is sealed by its hash: a frozen record of a case that says whether it is still what was decided."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from planning_core.errors import PkpError


class TamperedPlanError(PkpError):
    """A stored plan whose content does not match its hash. Carries ``stored`` and ``computed``."""

    code = "tampered_plan"


class SealedRecord(BaseModel):
    """A record whose ``plan_hash`` is the SHA-256 of the canonical JSON of all other fields.

    Kinds name their schema, the file that holds the newest in a case, and the folder of all that were ever sealed there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    SCHEMA: ClassVar[int]
    NEWEST: ClassVar[str]
    FOLDER: ClassVar[str]

    plan_hash: str = Field("", description="SHA-256, hex")

    def computed_hash(self) -> str:
        """The hash of the content as it is now."""
        return content_sha256(self.model_dump(mode="json", exclude={"plan_hash"}))

    def sealed(self) -> Self:
        """The record with its hash filled in."""
        return self.model_copy(update={"plan_hash": self.computed_hash()})

    def verify(self) -> None:
        """Raises ``TamperedPlanError`` when the content is not what was hashed."""
        computed = self.computed_hash()
        if computed != self.plan_hash:
            raise TamperedPlanError("the plan was changed after it was sealed", stored=self.plan_hash, computed=computed)

    def to_json(self) -> str:
        """As stored: sorted and indented."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2) + "\n"


def content_sha256(content: dict[str, Any]) -> str:
    """SHA-256, hex, of the canonical JSON of a record's fields without ``plan_hash``."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
