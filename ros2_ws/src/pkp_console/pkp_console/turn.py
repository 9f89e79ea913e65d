"""A case's turn to be written: what belongs to a plan that is sealed already waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from planning_core.case.folder import Case, CaseInUseError

WAIT_S = 60.0
"""Another planning of the same case may have begun meanwhile; a minute is more than one takes."""
PAUSE_S = 0.05


@contextmanager
def in_turn(case: Case, within_s: float = WAIT_S, pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold a case for writing, after whoever holds it now.

    Args:
        within_s: waited for at most. pause: what is done between two tries, for so many s.

    Raises:
        CaseInUseError: it does not become free.
    """
    end = time.monotonic() + within_s
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(case.writing())
                break
            except CaseInUseError:
                if time.monotonic() >= end:
                    raise
            pause(PAUSE_S)
        yield
