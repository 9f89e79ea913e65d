"""Work done aside: an object that lives in a second process, so that its work and ours do not share one interpreter.

Questions and answers are pickled through two pipes between a process and the child that it started itself; nothing that lies in
a file or comes over a network is read this way.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import planning_core
from planning_core.errors import PkpError

ILLUSTRATOR = "planning_core.case.illustrator:Illustrator"
"""What the planning walk has made aside."""
PROTOCOL = pickle.HIGHEST_PROTOCOL


class AsideEndedError(PkpError):
    """The second process ended before it answered. Carries ``status``: its exit status, or minus the signal that ended it."""

    code = "aside_ended"


class Asked(Protocol):
    """Something whose methods are asked for by name and answered later."""

    def ask(self, method: str, *arguments: Any) -> Future[Any]:
        """What the method gives; what it raises comes out of the future."""
        ...


class Here:
    """An object in this process, asked as if it were aside: every question is answered at once."""

    def __init__(self, answering: object) -> None:
        self._answering = answering

    def ask(self, method: str, *arguments: Any) -> Future[Any]:
        """See ``Asked``."""
        answer: Future[Any] = Future()
        try:
            answer.set_result(getattr(self._answering, method)(*arguments))
        except Exception as error:  # it belongs to whoever asks for the result
            answer.set_exception(error)
        return answer


class Aside:
    """An object in a process of its own, which imports what the object needs from now on.

    Questions are answered one after the other, in the order they were asked. The process ends with ``close``, and by itself when
    this one is gone. It is a fork where this process has one thread, which spares it all imports made so far; a fork of several
    would copy locks that nobody opens again, so there it is a fresh interpreter.

    Args:
        kind: ``module:Class``; it is made without arguments.
    """

    def __init__(self, kind: str) -> None:
        (questions, asks), (hears, answers) = os.pipe(), os.pipe()
        self._process = _Forked(kind, questions, answers, (asks, hears)) if _alone() else _fresh(kind, questions, answers)
        os.close(questions)
        os.close(answers)
        self._asks, self._hears = os.fdopen(asks, "wb"), os.fdopen(hears, "rb")
        self._line = ThreadPoolExecutor(1)

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def ask(self, method: str, *arguments: Any) -> Future[Any]:
        """See ``Asked``; ``AsideEndedError`` comes out of the future when the process is gone."""
        return self._line.submit(self._exchange, method, arguments)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._line.shutdown(cancel_futures=True)
        with contextlib.suppress(BrokenPipeError):
            self._asks.close()
        self._hears.close()
        self._process.wait()

    def _exchange(self, method: str, arguments: tuple[Any, ...]) -> Any:
        try:
            pickle.dump((method, arguments), self._asks, PROTOCOL)
            self._asks.flush()
            failed, answer = pickle.load(self._hears)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            status = self._process.wait()
            raise AsideEndedError(f"the second process ended with status {status}", status=status) from error
        if failed:
            raise answer
        return answer


def _alone() -> bool:
    """Whether this process has one thread."""
    return len(os.listdir("/proc/self/task")) == 1


class _Forked:
    """A fork of this process that answers, with what ``Popen`` has to end it."""

    def __init__(self, kind: str, questions: int, answers: int, not_its: tuple[int, ...]) -> None:
        self._ending = threading.Lock()
        self._status: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                for descriptor in not_its:
                    os.close(descriptor)
                os.setpgid(0, 0)
                serve(kind, questions, answers)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)  # nothing of what this process would do at its end

    def kill(self) -> None:
        with self._ending:
            if self._status is None:  # until it is waited for its number is nobody else's
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        with self._ending:
            if self._status is None:
                self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            return self._status


def _fresh(kind: str, questions: int, answers: int) -> subprocess.Popen[bytes]:
    """A new interpreter that answers; a Ctrl-C is for the one who asks, and ends the questions."""
    root = str(Path(planning_core.__file__).parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "planning_core.aside", kind, str(questions), str(answers)],
        stdin=subprocess.DEVNULL,
        env={"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path},  # it is one thread's work
        pass_fds=(questions, answers),
        process_group=0,
    )


def serve(kind: str, questions: int, answers: int) -> None:
    """Answer questions until there are no more.

    Args:
        questions, answers: file descriptors to read and write.
    """
    os.dup2(2, 1)  # standard output is the parent's answer: what a library prints does not belong there
    module, name = kind.split(":")
    with os.fdopen(questions, "rb") as asked, os.fdopen(answers, "wb") as answered:
        answering = Here(getattr(importlib.import_module(module), name)())
        while True:
            try:
                method, arguments = pickle.load(asked)
            except EOFError:
                return
            answer = answering.ask(method, *arguments)
            del arguments
            failed = answer.exception() is not None
            pickle.dump((failed, answer.exception() if failed else answer.result()), answered, PROTOCOL)
            answered.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
