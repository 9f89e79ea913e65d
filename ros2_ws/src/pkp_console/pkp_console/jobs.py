"""Long work that the page watches: imports and plans, each in a thread that waits for its process."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs
from pkp_lifecycle.worker import CancelledError, RefusedError

from pkp_console.refusals import BusyError, NoSuchError
from planning_core.errors import PkpError

KEPT = 32
Do = Callable[[Callable[[str, float], None], Callable[[], bool]], str]
log = logging.getLogger(__name__)


@attrs.define
class Job:
    """One piece of long work as the page sees it.

    Args:
        kind: import or plan. state: waiting, running, done, refused, cancelled. result: case id or plan hash.
        refusal: code, message and data.
    """

    id: str
    kind: str
    case: str | None
    by: str
    state: str = "waiting"
    stage: str = ""
    elapsed_s: float = 0.0
    result: str | None = None
    refusal: dict[str, Any] | None = None
    cancelled: bool = attrs.field(default=False, repr=False)

    def shown(self) -> dict[str, Any]:
        """For the page."""
        return attrs.asdict(self, filter=attrs.filters.exclude("cancelled"))


class Jobs:
    """One at a time, in the order they came; a case has one job at a time.

    Args:
        changed: told when anything about a job changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed, self._jobs = changed, dict[str, Job]()
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def start(self, kind: str, case: str | None, by: str, do: Do, after: Callable[[Job], None] = lambda job: None) -> Job:
        """Begin work. ``after`` is called when it ended, however it did.

        Raises:
            BusyError: this case is being worked on.
        """
        with self._lock:
            busy = next((j for j in self._jobs.values() if case and j.case == case and j.state in ("waiting", "running")), None)
            if busy is not None:
                raise BusyError("this case is being worked on: wait, or call it off", job=busy.id)
            for old in [j.id for j in self._jobs.values() if j.state not in ("waiting", "running")][: -KEPT or None]:
                del self._jobs[old]
            job = self._jobs[secrets.token_hex(6)] = Job("", kind, case, by)
            job.id = next(k for k, v in self._jobs.items() if v is job)
        threading.Thread(target=self._run, args=(job, do, after), daemon=True, name=f"job-{job.id}").start()
        return job

    def find(self, job_id: str) -> Job:
        """A job by id.

        Raises:
            NoSuchError: none.
        """
        with self._lock:
            if job_id not in self._jobs:
                raise NoSuchError("there is no such work", kind="job")
            return self._jobs[job_id]

    def cancel(self, job_id: str) -> Job:
        """Call it off; what was finished of it stays."""
        job = self.find(job_id)
        job.cancelled = True
        return job

    def shown(self) -> list[dict[str, Any]]:
        """All, oldest first."""
        with self._lock:
            return [j.shown() for j in self._jobs.values()]

    def cancel_all(self) -> None:
        """The console ends."""
        with self._lock:
            for job in self._jobs.values():
                job.cancelled = True

    def _run(self, job: Job, do: Do, after: Callable[[Job], None]) -> None:
        with self._turn:
            job.state, began = "running", time.monotonic()

            def told(stage: str, elapsed: float) -> None:
                job.stage, job.elapsed_s = stage, round(elapsed, 1)
                self._changed()

            self._changed()
            try:
                if job.cancelled:
                    raise CancelledError("called off before it began", stage="waiting")
                job.result = do(told, lambda: job.cancelled)
                job.state = "done"
            except CancelledError as error:
                job.state, job.refusal = "cancelled", error.as_dict()
            except PkpError as error:
                job.state, job.refusal = "refused", refusal_of(error)
            except Exception:  # the thread's edge: the page must hear that it ended
                log.exception("work %s failed", job.kind)
                job.state = "refused"
                job.refusal = {"code": "internal", "message": "internal error; the console's log holds the lines to report"}
            job.elapsed_s = round(time.monotonic() - began, 1)
        after(job)
        self._changed()


def refusal_of(error: PkpError) -> dict[str, Any]:
    """Code, message and data; one that comes from a worker under its own name."""
    facts = error.as_dict()
    if isinstance(error, RefusedError):
        facts["code"] = facts.pop("refused_code")
        facts["error"] = "PkpError"
    return facts
