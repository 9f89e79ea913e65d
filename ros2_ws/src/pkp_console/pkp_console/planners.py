"""Who plans: a process of the console's own, or (where ROS runs) the planner node. Both are asked the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pkp_lifecycle.worker import run_in_process

from pkp_console.runs import RunJob, replay_run, report_run
from pkp_console.work import ImportJob, PlanJob, import_ct, plan_case

Told = Callable[[str, float], None]
"""Hears stage and elapsed s."""


class Planner(Protocol):
    """Plans one case: fills its folder and returns the plan's hash.

    Raises:
        PkpError: a refusal (``RefusedError`` with ``refused_code``), CancelledError, TookTooLongError.
    """

    def plan(self, job: PlanJob, told: Told, cancelled: Callable[[], bool]) -> str:
        """Plan; blocks until done."""


class LocalPlanner:
    """Plans in a fresh process, so that a cancel ends it and nothing of it stays in memory."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def plan(self, job: PlanJob, told: Told, cancelled: Callable[[], bool]) -> str:
        """Plan; blocks until done."""
        return str(run_in_process(plan_case, (job,), told, cancelled, self._timeout_s))


def import_in_process(job: ImportJob, told: Told, cancelled: Callable[[], bool], timeout_s: float) -> str:
    """Make a case of an upload in a fresh process; returns the case's id."""
    return str(run_in_process(import_ct, (job,), told, cancelled, timeout_s))


def replay_in_process(job: RunJob, told: Told, cancelled: Callable[[], bool], timeout_s: float) -> str:
    """Make a record ready in a fresh process; returns the run's id."""
    return str(run_in_process(replay_run, (job,), told, cancelled, timeout_s))


def report_in_process(job: RunJob, told: Told, cancelled: Callable[[], bool], timeout_s: float) -> str:
    """Write a run's report in a fresh process; returns the run's id."""
    return str(run_in_process(report_run, (job,), told, cancelled, timeout_s))
