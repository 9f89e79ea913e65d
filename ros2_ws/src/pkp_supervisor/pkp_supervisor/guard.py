"""The last check before a device: a command goes through whole, or not at all.

A device driver keeps one ``CommandGuard`` and asks it for every command, with the newest word of the supervisor.
All times are monotonic seconds of the process that asks, taken when a message arrived or a measurement was made.
"""

from __future__ import annotations

import math
from typing import Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pkp_supervisor.refusals import (
    NotFiniteError,
    NotPermittedError,
    OldEpochError,
    OtherSupervisorError,
    OutOfLimitsError,
    ReplayedError,
    StaleError,
    WrongPlanError,
)

Kind = Literal["motion", "flow"]


def _vector(values: ArrayLike) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64).reshape(-1)
    array.flags.writeable = False
    return array


@attrs.frozen(eq=False)
class Limits:
    """What a command's values may be.

    Args:
        axes: names, e.g. joints. lower, upper: (n,) in the unit of the command; NaN is refused.
    """

    axes: tuple[str, ...]
    lower: NDArray[np.float64] = attrs.field(converter=_vector)
    upper: NDArray[np.float64] = attrs.field(converter=_vector)

    def __attrs_post_init__(self) -> None:
        if not len(self.axes) == self.lower.size == self.upper.size or not (self.lower <= self.upper).all():
            raise ValueError(f"limits of {self.axes} do not fit: {self.lower} to {self.upper}")

    def check(self, values: ArrayLike) -> NDArray[np.float64]:
        """The values as (n,) float64.

        Raises:
            NotFiniteError, OutOfLimitsError: see there; a wrong number of values counts as not finite.
        """
        array = _vector(values)
        if array.size != len(self.axes):
            raise NotFiniteError(f"{array.size} values for {len(self.axes)} axes", axes=list(self.axes))
        bad = [axis for axis, value in zip(self.axes, array, strict=True) if not np.isfinite(value)]
        if bad:
            raise NotFiniteError(f"not a number: {', '.join(bad)}", axes=bad)
        for axis, value, lower, upper in zip(self.axes, array, self.lower, self.upper, strict=True):
            if not lower <= value <= upper:
                raise OutOfLimitsError(
                    f"{axis} = {value:.6g} is outside {lower:.6g} to {upper:.6g}",
                    axis=axis,
                    value=float(value),
                    lower=float(lower),
                    upper=float(upper),
                )
        return array


@attrs.frozen
class Permit:
    """The supervisor's newest word (pkp_msgs/StateCommand).

    Args:
        supervisor: identity of its process. sequence: counts up. epoch: counts stops. heard_s: when it arrived.
    """

    supervisor: str
    sequence: int
    epoch: int
    motion: bool
    flow: bool
    phase: str
    plan_hash: str
    side: str
    heard_s: float


@attrs.frozen(eq=False)
class Command:
    """What a device is about to be told.

    Args:
        kind: motion of the arm, or flow of cement. values: (n,) in the unit of the limits.
        sequence: counts up within one source. epoch: of the permit that it was made under. made_s: when.
    """

    kind: Kind
    values: ArrayLike
    sequence: int
    epoch: int
    plan_hash: str
    side: str
    made_s: float


@attrs.frozen
class GuardAges:
    """How old a permit and a command may be, s (assumed; a stop must be known within 0.1 s)."""

    permit_s: float = 0.1
    command_s: float = 0.1
    future_s: float = 0.005


class CommandGuard:
    """Fails closed: without a fresh permit of the one supervisor, for this plan, nothing goes through.

    Args:
        limits: of this device's commands. ages: how old things may be.
    """

    def __init__(self, limits: Limits, ages: GuardAges | None = None) -> None:
        self._limits, self._ages = limits, ages or GuardAges()
        self._permit: Permit | None = None
        self._contested_s = -math.inf
        self._last = -1
        self._epoch = -1

    @property
    def permit(self) -> Permit | None:
        """The newest word heard."""
        return self._permit

    def hear(self, permit: Permit) -> None:
        """Take the supervisor's word.

        Raises:
            OtherSupervisorError: another one spoke while the first is still fresh; then neither is believed. Its word keeps
                nobody fresh: once the first has ended, the other is heard.
            ReplayedError: an older word, or an older epoch, of the same supervisor.
        """
        before = self._permit
        if before is not None and before.supervisor != permit.supervisor:
            if permit.heard_s - before.heard_s <= self._ages.permit_s:
                self._permit, self._contested_s = attrs.evolve(before, motion=False, flow=False), permit.heard_s
                raise OtherSupervisorError("two supervisors speak", heard=before.supervisor, also=permit.supervisor)
            self._contested_s = -math.inf
        elif before is not None and (permit.sequence <= before.sequence or permit.epoch < before.epoch):
            raise ReplayedError(
                f"supervisor's word {permit.sequence} came after {before.sequence}",
                sequence=permit.sequence,
                last=before.sequence,
            )
        contested = permit.heard_s - self._contested_s <= self._ages.permit_s
        self._permit = attrs.evolve(permit, motion=False, flow=False) if contested else permit

    def may(self, kind: Kind, now_s: float) -> bool:
        """Whether the device may do this at all now; a driver asks each cycle and halts when it may not."""
        permit = self._permit
        fresh = permit is not None and -self._ages.future_s <= now_s - permit.heard_s <= self._ages.permit_s
        return permit is not None and fresh and bool(permit.plan_hash) and (permit.motion if kind == "motion" else permit.flow)

    def check(self, command: Command, now_s: float) -> NDArray[np.float64]:
        """The command's values, (n,), if they may go to the device.

        Raises:
            CommandRefusedError: one of its children, or OldEpochError, WrongPlanError; the command must be dropped.
        """
        permit = self._permit
        if permit is None:
            raise StaleError("the supervisor was never heard", what="permit", age_s=None, limit_s=self._ages.permit_s)
        self._fresh("permit", now_s - permit.heard_s, self._ages.permit_s)
        if not self.may(command.kind, now_s):
            raise NotPermittedError(f"no {command.kind} in {permit.phase}", kind=command.kind, phase=permit.phase)
        if command.epoch != permit.epoch:
            raise OldEpochError(
                f"made under epoch {command.epoch}, now is {permit.epoch}", given=command.epoch, epoch=permit.epoch
            )
        if (command.plan_hash, command.side) != (permit.plan_hash, permit.side):
            raise WrongPlanError(
                "the command is for another plan or side", given=command.plan_hash, plan_hash=permit.plan_hash, side=command.side
            )
        self._fresh("command", now_s - command.made_s, self._ages.command_s)
        if command.epoch != self._epoch:
            self._epoch, self._last = command.epoch, -1
        if command.sequence <= self._last:
            raise ReplayedError(f"command {command.sequence} came after {self._last}", sequence=command.sequence, last=self._last)
        values = self._limits.check(command.values)
        self._last = command.sequence
        return values

    def _fresh(self, what: str, age_s: float, limit_s: float) -> None:
        if not -self._ages.future_s <= age_s <= limit_s:  # NaN fails both
            raise StaleError(f"{what} is {age_s:.3f} s old, at most {limit_s:g} s", what=what, age_s=age_s, limit_s=limit_s)
