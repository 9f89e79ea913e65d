"""Work done aside: an object that lives in a second process, so that its work and ours do not share one interpreter.

Questions and answers are pickled through two pipes between a process and the child that it started itself; nothing that lies in
a file or comes over a network is read this way.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import subprocess
import sys
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
    this one is gone.

    Args:
        kind: ``module:Class``; it is made without arguments.
    """

    def __init__(self, kind: str) -> None:
        root = str(Path(planning_core.__file__).parent.parent)
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            [sys.executable, "-m", "planning_core.aside", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path},  # it is one thread's work
            process_group=0,  # a Ctrl-C is for the one who asks: the child ends when its questions do
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._questions = ThreadPoolExecutor(1)

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def ask(self, method: str, *arguments: Any) -> Future[Any]:
        """See ``Asked``; ``AsideEndedError`` comes out of the future when the process is gone."""
        return self._questions.submit(self._exchange, method, arguments)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._questions.shutdown(cancel_futures=True)
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        self._process.wait()

    def _exchange(self, method: str, arguments: tuple[Any, ...]) -> Any:
        try:
            pickle.dump((method, arguments), self._stdin, PROTOCOL)
            self._stdin.flush()
            failed, answer = pickle.load(self._stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            status = self._process.wait()
            raise AsideEndedError(f"the second process ended with status {status}", status=status) from error
        if failed:
            raise answer
        return answer


def main() -> None:
    """Answer questions until there are no more."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    module, name = sys.argv[1].split(":")
    answering = Here(getattr(importlib.import_module(module), name)())
    while True:
        try:
            method, arguments = pickle.load(questions)
        except EOFError:
            return
        answer = answering.ask(method, *arguments)
        del arguments
        failed = answer.exception() is not None
        pickle.dump((failed, answer.exception() if failed else answer.result()), answers, PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    main()
