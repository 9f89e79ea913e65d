"""A process before all others of the machine, where the system allows it (root, CAP_SYS_NICE or an rtprio limit)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

DEVICE = 26
"""Of a simulated device: a real one has a processor of its own."""


def go_first(priority: int = DEVICE) -> str:
    """Round-robin real time for every thread of this process, the middleware's too, and those they start.

    All of them: a thread of ordinary priority that holds the interpreter, or receives what a loop waits for, holds up the loop.

    Returns:
        What came of it, in words.
    """
    try:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(priority))
    except OSError as error:
        return f"ordinary priority: {error.strerror}; a busy machine can hold the loop up"
    return f"real time priority {priority}"


def give_way(nice: int = 5) -> None:
    """Leave the processors to everybody else: for long work, whoever started it."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(nice)
