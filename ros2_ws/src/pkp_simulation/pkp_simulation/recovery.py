"""What an operator does after a stop: looks at it, has the registration checked, re-arms, and begins that piece of work anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pkp_supervisor.phases import Phase

from pkp_simulation.operator import Operator
from planning_core.errors import PkpError

MOST_STOPS = 12
"""After so many in one procedure the operator gives it up."""
TRIES = 4
"""Of leaving one stop: another one may come meanwhile."""
AGAIN = ("not_permitted", "hand_refused")
"""Refusals that mean only that something was late; whatever else is refused without a stop is not asked for twice."""
LATCHES_S, PAUSE_S = 1.0, 0.5
Result = TypeVar("Result")


class Recovery:
    """Carries pieces of a procedure through the stops that come.

    Args:
        release: lets an arm go on whose own controller has stopped it. check: touches the check point again, where there is a
            registration to check.
        plan_hash: of the plan in hand; empty before there is one.
    """

    def __init__(
        self, operator: Operator, release: Callable[[], object], check: Callable[[], object], plan_hash: Callable[[], str]
    ) -> None:
        self._operator, self._release, self._check, self._plan_hash = operator, release, check, plan_hash
        self.stops: list[PkpError] = []

    def through(self, piece: Callable[[], Result]) -> Result:
        """The piece's result. It is begun anew after a stop, from the phase that the re-arm led to.

        Raises:
            PkpError: a refusal that no stop explains, or one stop too many.
        """
        while True:
            try:
                return piece()
            except PkpError as error:
                stopped = self._operator.stopped_within(LATCHES_S)
                late = error.code in AGAIN or error.data.get("refused_code") in AGAIN
                if not (stopped or late) or len(self.stops) >= MOST_STOPS:
                    raise
                self.stops.append(error)
                if stopped:
                    self._leave()

    def _leave(self) -> None:
        operator = self._operator
        for left in reversed(range(TRIES)):
            try:
                operator.acknowledge()
                self._release()
                if operator.stopped_in is not Phase.WITHDRAW:  # the way out needs none
                    self._check()
                operator.rearm(self._plan_hash())
                return
            except PkpError:
                if not left:
                    raise
                operator.pause(PAUSE_S)
