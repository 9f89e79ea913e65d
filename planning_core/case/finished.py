"""Whether a case already holds the plan that is asked for, whole and unaltered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeVar

from planning_core.case.folder import OUTPUTS, Case
from planning_core.case.plan import Plan
from planning_core.case.record import SealedRecord
from planning_core.case.sealed import read_record
from planning_core.errors import PkpError

NAME = "stages/finished.json"
R = TypeVar("R", bound=SealedRecord)


def mark_finished(case: Case, key: str) -> None:
    """Note what the finished plan of a request is made of.

    Args:
        key: hash of everything the plan depends on.
    """
    record = {"key": key, "files": _files_sha256(case)}
    case.write(NAME, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


def is_marked(case: Case, key: str) -> bool:
    """Whether a run with this key got to its end here, whatever happened to its files since."""
    try:
        return bool(json.loads((case.path / NAME).read_text())["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def finished_plan(case: Case, key: str) -> Plan | None:
    """The plan that an earlier run of the same request left, if every file it wrote is as it was; else ``None``."""
    return finished_record(case, key, Plan)


def finished_record(case: Case, key: str, kind: type[R]) -> R | None:
    """The same of any kind of plan."""
    try:
        record = json.loads((case.path / NAME).read_text())
        if record["key"] != key or record["files"] != _files_sha256(case):
            return None
        plan = read_record((case.path / kind.NEWEST).read_bytes(), kind)
    except (OSError, ValueError, KeyError, TypeError, PkpError):
        return None  # planning it anew costs only time
    return plan


def _files_sha256(case: Case) -> dict[str, str]:
    """The SHA-256 of each output by name."""
    sums = {}
    for name in OUTPUTS:
        place = case.path / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file():
                sums[str(path.relative_to(case.path))] = _sha256(path)
    return sums


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
