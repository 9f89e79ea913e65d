"""Who lets cement flow: the supervisor's permit for this very order, and a thumb on the switch. Fails closed; no ROS, no clock.

All times are monotonic seconds of this process. Written by the node's callbacks and read by its cycle, hence the lock.
"""

from __future__ import annotations

import math
import threading

import attrs
from pkp_supervisor.guard import Command, CommandGuard, GuardAges, Limits, Permit

LATCHED = ("STOPPED", "FAULT")
INJECT = "INJECT"


@attrs.frozen
class Press:
    """One word of the hold-to-run switch.

    Args:
        sequence: counts up within one operator and epoch. made_s: when it was sent. heard_s: when it came.
    """

    operator: str
    sequence: int
    epoch: int
    side: str
    pressed: bool
    made_s: float
    heard_s: float


@attrs.frozen
class Order:
    """Under what a goal was given."""

    plan_hash: str
    side: str
    epoch: int


class InjectionGate:
    """The newest words of supervisor and switch, and what follows from them.

    Args:
        flow_ml_s: the largest flow that is ever ordered. press_s: a press older than this is a release. permit_s: a permit older
            than this is none.
    """

    def __init__(self, flow_ml_s: float, press_s: float, permit_s: float = 0.1) -> None:
        self._guard = CommandGuard(Limits(("flow",), [0.0], [flow_ml_s]), GuardAges(permit_s=permit_s))
        self._permit_s, self._press_s, self._lock = permit_s, press_s, threading.Lock()
        self._press: Press | None = None
        self._unseen = False  # counted anew and not yet seen open
        self._enabled, self._orders = False, 0

    def hear(self, permit: Permit, enabled: bool) -> None:
        """The supervisor's word; ``enabled``: its command is not DISABLE.

        Raises:
            CommandRefusedError: replayed, or of a second supervisor.
        """
        with self._lock:
            self._guard.hear(permit)
            self._enabled = enabled

    def press(self, press: Press) -> None:
        """The switch's word. One that is repeated, old, from the future or from a second hand is a release.

        A lower number after a silence is a console that was restarted. It does not know for how long its button has been held:
        its presses are releases until one release was heard.
        """
        with self._lock:
            before = self._press
            # the epoch is part of the name: after a stop a console may count anew
            same = before is not None and (before.operator, before.epoch) == (press.operator, press.epoch)
            fresh = -0.005 <= press.heard_s - press.made_s <= self._press_s
            silent = before is None or not press.heard_s - before.heard_s <= self._press_s
            held = before is not None and before.pressed and not silent
            if before is not None and same and press.sequence <= before.sequence:
                if not (silent and fresh and press.made_s > before.made_s):
                    self._press = attrs.evolve(before, pressed=False)
                    return
                self._unseen = True
            self._unseen = self._unseen and same and press.pressed
            if not fresh or not math.isfinite(press.heard_s) or (held and not same) or self._unseen:
                self._press = attrs.evolve(press, pressed=False)
            else:
                self._press = press

    def admit(self, order: Order, now_s: float) -> None:
        """Whether a goal may be begun under the present permit.

        Raises:
            CommandRefusedError: one of its children. OldEpochError, WrongPlanError: given under another epoch, plan or side.
        """
        with self._lock:
            self._orders += 1
            self._guard.check(Command("flow", [0.0], self._orders, order.epoch, order.plan_hash, order.side, now_s), now_s)

    def permits(self, order: Order, now_s: float) -> bool:
        """Whether cement may flow for this order now."""
        with self._lock:
            permit = self._guard.permit
            return permit is not None and self._guard.may("flow", now_s) and _of(permit) == order

    def why_not(self, order: Order, now_s: float) -> str:
        """Why cement may not flow for this order, with the numbers."""
        permit = self._guard.permit
        if permit is None:
            return "the supervisor was never heard"
        if permit.epoch != order.epoch:
            return f"stop {permit.epoch} of the supervisor"
        if not permit.flow:
            return f"the supervisor permits no flow in {permit.phase}"
        if _of(permit) != order:
            return "the supervisor speaks of another plan or side"
        return f"the supervisor was last heard {now_s - permit.heard_s:.3f} s ago"

    def closed(self, order: Order, now_s: float) -> bool:
        """Whether the switch is held for this order now."""
        with self._lock:
            press = self._press
            if press is None or not press.pressed or (press.epoch, press.side) != (order.epoch, order.side):
                return False
            return now_s - press.heard_s >= -0.005 and now_s - press.made_s <= self._press_s

    @property
    def stops(self) -> int:
        """Stops counted by the supervisor, as far as heard."""
        permit = self._guard.permit
        return 0 if permit is None else permit.epoch

    @property
    def latched(self) -> bool:
        """Whether the supervisor last spoke of a stop."""
        permit = self._guard.permit
        return permit is not None and permit.phase in LATCHED

    def stop_epoch(self) -> int | None:
        """The epoch that a stop found now belongs to the end of; None where the supervisor was never heard."""
        permit = self._guard.permit
        return None if permit is None else permit.epoch - (1 if permit.phase in LATCHED else 0)

    def newer(self, epoch: int) -> bool:
        """Whether the supervisor has counted a stop since that epoch."""
        permit = self._guard.permit
        return permit is not None and permit.epoch > epoch

    def rearmed(self, stop_epoch: int, now_s: float) -> bool:
        """Whether the supervisor has let go on since that stop: a newer epoch, nothing latched, devices wanted."""
        permit = self._guard.permit
        fresh = permit is not None and 0 <= now_s - permit.heard_s <= self._permit_s
        return permit is not None and fresh and permit.epoch > stop_epoch and permit.phase not in LATCHED and self._enabled

    def ended(self, order: Order, now_s: float) -> bool:
        """Whether the procedure has left injection in order, with no stop: an operator gave up the rest of this side's dose."""
        permit = self._guard.permit
        fresh = permit is not None and 0 <= now_s - permit.heard_s <= self._permit_s
        return (
            permit is not None
            and fresh
            and (permit.epoch, permit.plan_hash) == (order.epoch, order.plan_hash)
            and permit.phase not in (*LATCHED, INJECT)
        )


def _of(permit: Permit) -> Order:
    return Order(permit.plan_hash, permit.side, permit.epoch)
