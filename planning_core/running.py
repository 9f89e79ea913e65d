"""Which ``./pkp up`` still runs: its note is believed only while the very process that wrote it is there.

A number alone says nothing after a power cut: the note is still there, and the number somebody else's. Standard library only, as
``./pkp`` reads it too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

UP = "up.json"
PROC = Path("/proc")
BOOT = "sys/kernel/random/boot_id"
STATE, START = 0, 19
"""Fields of ``/proc/<pid>/stat`` after the name in brackets (proc(5): 3 and 22, counted from 1)."""
ENDED = ("Z", "X", "x")


def began(pid: int, proc: Path = PROC) -> str | None:
    """When a process was started: the machine's start and the clock ticks since; None where none of this number runs."""
    try:
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = (proc / BOOT).read_text().strip()
    except OSError:
        return None
    return None if len(fields) <= START or fields[STATE] in ENDED else f"{boot} {fields[START]}"


def still_runs(noted: dict[str, Any], proc: Path = PROC) -> bool:
    """Whether the process that was noted by ``pid`` and ``began`` is there, and not another of its number."""
    pid, since = noted.get("pid"), noted.get("began")
    return type(pid) is int and since is not None and began(pid, proc) == since


def running_note(run_folder: Path, proc: Path = PROC) -> dict[str, Any] | None:
    """What a ``./pkp up`` noted of itself in its run folder: ``pid``, ``began``, ``domain``, ``nodes`` (each with ``name``,
    ``pid``, ``began``, ``lifecycle``).

    None where there is no such note, it was cut off, or its process has ended.
    """
    try:
        noted = json.loads((run_folder / UP).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(noted, dict) and {"pid", "began", "domain", "nodes"} <= noted.keys()
    return noted if whole and still_runs(noted, proc) else None
