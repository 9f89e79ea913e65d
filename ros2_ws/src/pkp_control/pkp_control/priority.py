"""A thread before all others of the machine, where the system allows it (root, CAP_SYS_NICE or an rtprio limit)."""

from __future__ import annotations

import os


def go_first(priority: int) -> str:
    """Round-robin real time for the calling thread, and those it starts; says in words what came of it. 0 changes nothing."""
    if priority == 0:
        return "ordinary priority, as asked"
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError as error:
        return f"ordinary priority: {error.strerror}; a busy machine can hold the loop up"
    return f"real time priority {priority}"
