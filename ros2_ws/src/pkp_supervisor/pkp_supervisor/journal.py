"""The workflow's state in the audit chain of a run, and back from it after the supervisor ended, however it ended."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs

from pkp_supervisor.events import PlanSeen
from pkp_supervisor.phases import Phase
from pkp_supervisor.state import State
from planning_core.case import audit

EVENT = "state"
KEPT = ("epoch", "reason", "ct_sha256", "approved_by", "side", "inserted")


def facts(state: State) -> dict[str, Any]:
    """What is worth a line: everything but times, which mean nothing in another process."""
    return {
        "phase": state.phase.name,
        "stopped_in": None if state.stopped_in is None else state.stopped_in.name,
        "plan": None if state.plan is None else attrs.asdict(state.plan),
        "registered": state.registered_s is not None,
        "acknowledged_by": state.acknowledged_by,
        "sides_done": list(state.sides_done),
        **{name: getattr(state, name) for name in KEPT},
    }


def write(run_folder: Path, state: State) -> str:
    """Append the state; returns the line's hash.

    Raises:
        BrokenAuditError: somebody edited the chain. OSError: it cannot be written.
    """
    return audit.record(run_folder, EVENT, **facts(state))


def note(run_folder: Path, event: str, **facts: Any) -> str:
    """Append what changed nothing but must be known: evidence and refusals while a stop held. Never read back.

    Raises:
        BrokenAuditError: somebody edited the chain. OSError: it cannot be written.
    """
    return audit.record(run_folder, event, **facts)


def restore(run_folder: Path, now_s: float) -> State | None:
    """Where the last supervisor of this run was, latched; None when the run is new or had not begun.

    A re-arm then needs what it always needs; in particular a registration check measured after ``now_s``.

    Raises:
        BrokenAuditError: somebody edited the chain.
    """
    audit.verify(run_folder)
    log = run_folder / audit.NAME
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    entries = [line for line in lines if line["event"] == EVENT]
    if not entries:
        return None
    last = entries[-1]
    phase = Phase[last["phase"]]
    stopped_in = phase if last["stopped_in"] is None else Phase[last["stopped_in"]]
    if stopped_in is Phase.PREFLIGHT and last["stopped_in"] is None:
        return None
    plan = last["plan"]
    kept = {name: last[name] for name in KEPT}
    kept["epoch"] += 1
    where = stopped_in.name.lower()
    kept["reason"] = f"supervisor: restarted in {where}" + (f"; before: {last['reason']}" if last["reason"] else "")
    return State(
        phase=Phase.FAULT if phase is Phase.FAULT else Phase.STOPPED,
        stopped_in=stopped_in,
        plan=None if plan is None else PlanSeen(**{**plan, "sides": tuple(plan["sides"])}),
        registered_s=-math.inf if last["registered"] else None,
        sides_done=tuple(last["sides_done"]),
        stopped_s=now_s,
        register_since_s=now_s,
        **kept,
    )
