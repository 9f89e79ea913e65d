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
LATCHES_S, PAUSE_S, HEARD_S = 1.0, 0.5, 5.0
Result = TypeVar("Result")


class OnlyOutError(PkpError):
    """Somebody is gone whom the piece needs, and the pin is in: the re-arm has left nothing but the way out."""

    code = "only_out"


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
            PkpError: a refusal that no stop explains, or one stop too many. OnlyOutError: see there.
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
                if stopped and not self._leave():
                    raise OnlyOutError(f"only the way out is left after: {error.message}") from error

    def _leave(self) -> bool:
        """Out of a stop; whether the piece can be begun anew."""
        operator = self._operator
        for left in reversed(range(TRIES)):
            try:
                operator.acknowledge()
                self._release()
                was_out = operator.stopped_in is Phase.WITHDRAW  # which needs no check
                if not was_out:
                    self._check()
                    operator.until_heard(HEARD_S)  # with the pin in, a re-arm leaves behind whoever is silent
                return operator.rearm(self._plan_hash()) is not Phase.WITHDRAW or was_out
            except PkpError:
                if not left:
                    raise
                operator.pause(PAUSE_S)
        raise AssertionError("the last try returns or raises")
