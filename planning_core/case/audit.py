"""What was done to a case, in order: each line carries the hash of the one before, so that no edit goes unseen."""

from __future__ import annotations

import datetime
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from planning_core.errors import PkpError

NAME = "audit.jsonl"
START = "0" * 64


class BrokenAuditError(PkpError):
    """An audit log that was edited. Carries ``line``."""

    code = "broken_audit"


def record(case: Path, event: str, **facts: Any) -> str:
    """Append an event; returns its hash. The existing chain is verified first.

    Raises:
        BrokenAuditError: the log so far does not hold together. OSError: it cannot be written; the log is as it was.
    """
    previous = verify(case)
    entry = {
        "event": event,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "previous": previous,
        **facts,
    }
    digest = _digest(entry)
    line = json.dumps({**entry, "hash": digest}, sort_keys=True) + "\n"
    _append(case / NAME, line.encode())
    return digest


def _append(path: Path, line: bytes) -> None:
    """Whole or not at all: on a torn line, as a full disk leaves it, no other could ever follow."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        before = os.fstat(handle).st_size
        try:
            written = os.write(handle, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, f"{written} of {len(line)} bytes written", str(path))
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)


def verify(case: Path) -> str:
    """Check the chain; returns the last hash.

    Raises:
        BrokenAuditError: a line was changed, dropped or added out of turn.
    """
    found = events(case)
    return str(found[-1]["hash"]) if found else START


def events(case: Path) -> list[dict[str, Any]]:
    """Every event, oldest first, each with ``hash`` and ``previous``; the chain is checked.

    Raises:
        BrokenAuditError: see ``verify``.
    """
    path, previous = case / NAME, START
    found: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], start=1):
        try:
            entry = json.loads(line.decode())
            stored = entry.pop("hash")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise BrokenAuditError(f"audit line {number} is not one of ours", line=number) from error
        if entry.get("previous") != previous or _digest(entry) != stored:
            raise BrokenAuditError(f"audit line {number} was changed or follows a line that was", line=number)
        previous = stored
        found.append({**entry, "hash": stored})
    return found


def _digest(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
