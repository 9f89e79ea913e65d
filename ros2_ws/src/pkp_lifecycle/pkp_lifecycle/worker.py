"""Long work in a process of its own: a cancel ends it at once, and the node's heartbeat never waits for it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import attrs

from pkp_lifecycle.priority import give_way
from planning_core.errors import PkpError

END_S = 2.0
"""A worker that was asked to end and has not by then is killed."""


class CancelledError(PkpError):
    """The work was called off. Carries ``stage``."""

    code = "cancelled"


class TookTooLongError(PkpError):
    """The work took longer than it was given. Carries ``stage`` and ``timeout_s``."""

    code = "timeout"


class WorkerDiedError(PkpError):
    """The process ended without an answer. Carries ``status``."""

    code = "worker_died"


@attrs.frozen
class Stage:
    """Told by the worker as a stage of the work begins."""

    name: str


@attrs.frozen
class Answer:
    """How the work ended: a value, or a refusal as (code, message, data)."""

    value: Any = None
    refusal: tuple[str, str, dict[str, Any]] | None = None


class RefusedError(PkpError):
    """A refusal inside the worker. Its own ``code`` is in ``refused_code``."""

    code = "refused"


Work = Callable[..., Any]
Tell = Callable[[str], None]


def _work(pipe: Connection, work: Work, arguments: tuple[Any, ...]) -> None:
    give_way()
    try:
        answer = Answer(work(*arguments, lambda name: pipe.send(Stage(name))))
    except PkpError as error:
        answer = Answer(refusal=(error.code, error.message, error.data))
    pipe.send(answer)


def _context() -> multiprocessing.context.ForkServerContext:
    """Children fork from a server that has no threads: from the node itself they would copy the middleware's half alive."""
    return multiprocessing.get_context("forkserver")


def warm(*modules: str) -> None:
    """Begin to import what the work will need, in the process that workers fork from, so that no work waits for imports."""
    context = _context()
    context.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def run_in_process(
    work: Work,
    arguments: tuple[Any, ...],
    tell: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    timeout_s: float,
    poll_s: float = 0.1,
) -> Any:
    """Do ``work(*arguments, tell_stage)`` in a process of its own and wait for it.

    Args:
        work: a function of a module (it is imported again there). tell: hears stage and elapsed s, at least once a second.
        cancelled: asked every ``poll_s``.

    Raises:
        RefusedError: the work's own refusal. CancelledError, TookTooLongError, WorkerDiedError: see there.
    """
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    began, stage, told = time.monotonic(), "starting", 0.0
    try:
        while True:
            elapsed = time.monotonic() - began
            if cancelled():
                raise CancelledError(f"called off in {stage}", stage=stage)
            if elapsed > timeout_s:
                raise TookTooLongError(f"not done after {timeout_s:g} s (in {stage})", stage=stage, timeout_s=timeout_s)
            if elapsed - told >= 1.0:
                told = elapsed
                tell(stage, elapsed)
            if not ours.poll(poll_s):
                continue
            said = _received(ours, process)
            if isinstance(said, Stage):
                stage, told = said.name, elapsed
                tell(stage, elapsed)
                continue
            if said.refusal is not None:
                code, message, data = said.refusal
                raise RefusedError(message, refused_code=code, **data)
            return said.value
    finally:
        _end(process)


def _received(pipe: Connection, process: BaseProcess) -> Stage | Answer:
    try:
        return pipe.recv()
    except EOFError:
        process.join(END_S)
        raise WorkerDiedError(
            f"the worker ended without an answer (status {process.exitcode})", status=process.exitcode
        ) from None


def _end(process: BaseProcess) -> None:
    process.join(0.1) if not process.is_alive() else process.terminate()
    process.join(END_S)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
