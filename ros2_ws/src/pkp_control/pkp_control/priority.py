"""A process before all others of the machine, where the system allows it (root, CAP_SYS_NICE or an rtprio limit)."""

from __future__ import annotations

import os
from pathlib import Path


def go_first(priority: int) -> str:
    """Round-robin real time for every thread of this process, the middleware's too, and those they start; 0 changes nothing.

    All of them: a thread of ordinary priority that holds the interpreter, or receives what a loop waits for, holds up the loop.

    Returns:
        What came of it, in words.
    """
    if priority == 0:
        return "ordinary priority, as asked"
    try:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(priority))
    except OSError as error:
        return f"ordinary priority: {error.strerror}; a busy machine can hold the loop up"
    return f"real time priority {priority}"
