"""The search for ways in a process of its own.

A thread would hold the interpreter while it is itself held up by whatever else the machine does, and the loop with it: seen as
0.4 s without a period. Nothing here waits: questions and answers go through a pipe that the loop looks into.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from pkp_lifecycle.priority import give_way

from pkp_control.arm_config import ArmConfig
from pkp_control.limits import MotionLimits
from pkp_control.route import Route, Router
from planning_core.errors import PkpError

END_S = 2.0


class WayProcessDiedError(PkpError):
    """Nobody looks for ways any more; the node must be started again. Carries ``status``."""

    code = "way_process_died"


class WayProcess:
    """See :class:`pkp_control.positioning.Ways`.

    Args:
        config, limits: as of the :class:`Router` there.
    """

    def __init__(self, config: ArmConfig, limits: MotionLimits) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the middleware's threads half alive
        self._pipe, theirs = context.Pipe()
        self._off = context.Event()
        arguments = (theirs, self._off, config, limits, os.getpid())
        self._process = context.Process(target=_serve, args=arguments, name="ways", daemon=True)
        self._process.start()
        theirs.close()
        self._asked = 0

    def approach(self, *arguments: Any) -> None:
        """Ask for ``Router.approach``."""
        self._ask("approach", arguments)

    def retreat(self, *arguments: Any) -> None:
        """Ask for ``Router.retreat``."""
        self._ask("retreat", arguments)

    def call_off(self) -> None:
        """The last question's answer is not wanted any more."""
        self._off.set()
        self._asked += 1

    def answer(self) -> Route | None:
        """The answer to the last question, or None while there is none.

        Raises:
            PkpError: the answer is a refusal. WayProcessDiedError: there will be none.
        """
        try:
            while self._pipe.poll():
                number, answer = self._pipe.recv()
                if number != self._asked:
                    continue
                if isinstance(answer, PkpError):
                    raise answer
                return answer  # type: ignore[no-any-return]
        except (EOFError, OSError) as error:
            raise self._died() from error
        return None

    def end(self) -> None:
        """End the process."""
        self._off.set()
        self._pipe.close()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _ask(self, what: str, arguments: tuple[Any, ...]) -> None:
        self._asked += 1
        self._off.clear()
        try:
            self._pipe.send((self._asked, what, arguments))
        except OSError as error:
            raise self._died() from error

    def _died(self) -> WayProcessDiedError:
        return WayProcessDiedError("the process that looks for ways has ended", status=self._process.exitcode)


def _serve(pipe: Connection, off: Any, config: ArmConfig, limits: MotionLimits, parent: int) -> None:
    give_way(0)  # the node that started us goes before all others
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    router = Router(config, limits, off)
    while True:
        try:
            number, what, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Any = getattr(router, what)(*arguments)
        except PkpError as error:
            answer = error
        pipe.send((number, answer))


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)
