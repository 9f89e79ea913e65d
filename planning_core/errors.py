"""The error every refusal descends from.

A refusal is part of the product: it says in one sentence what is wrong, with the numbers, and what to do.
Each stage names its own children next to the code that raises them.
"""

from __future__ import annotations

from typing import Any, ClassVar


class PkpError(Exception):
    """A refusal that a clinician or engineer can act on.

    Children add fields by passing them as keywords; they are attributes and are written into ``--json`` output.

    Args:
        message: one sentence, with the numbers, never a patient's identity.
        data: named facts behind the sentence (JSON-able values).
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None

    def as_dict(self) -> dict[str, Any]:
        """The refusal as a JSON-able mapping: ``error`` (class name), ``code``, ``message`` and the data."""
        return {"error": type(self).__name__, "code": self.code, "message": self.message, **self.data}


class InputError(PkpError):
    """What came in cannot be used (exit status 2)."""

    code = "input"
    exit_status = 2


class AmbiguousError(PkpError):
    """The input allows several answers and the operator must choose (exit status 3)."""

    code = "ambiguous"
    exit_status = 3


class NoSafePlanError(PkpError):
    """The input is sound but no plan inside the safety limits exists (exit status 4)."""

    code = "no_safe_plan"
    exit_status = 4
