"""Where a procedure can stand, what may happen there and what must be alive: one table."""

from __future__ import annotations

import enum

import attrs


class Phase(enum.IntEnum):
    """The numbers are those of pkp_msgs/ProcedurePhase."""

    PREFLIGHT = 0
    INGEST = 1
    PLAN = 2
    APPROVE = 3
    REGISTER = 4
    APPROACH = 5
    VERIFY = 6
    INSERT = 7
    INJECT = 8
    WITHDRAW = 9
    REPORT = 10
    STOPPED = 11
    FAULT = 12


@attrs.frozen
class Interlock:
    """What one phase allows and needs.

    Args:
        motion: the arm may move. flow: the plunger may advance.
        needs: sources that must be heard; silence stops the procedure.
        after_rearm: where a procedure goes on that was stopped here.
        registered: motion and flow need a standing registration.
        patience: by how much longer a source may be silent; nothing moves, flows or goes into the patient there.
    """

    motion: bool
    flow: bool
    needs: tuple[str, ...]
    after_rearm: Phase
    registered: bool = True
    patience: float = 1.0


ROOM = ("tracker", "arm")
INTERLOCKS: dict[Phase, Interlock] = {
    Phase.PREFLIGHT: Interlock(False, False, (), Phase.PREFLIGHT),
    Phase.INGEST: Interlock(False, False, (), Phase.INGEST),
    Phase.PLAN: Interlock(False, False, (), Phase.PLAN),
    Phase.APPROVE: Interlock(False, False, (), Phase.APPROVE),
    Phase.REGISTER: Interlock(False, False, (*ROOM, "registration"), Phase.REGISTER, patience=5.0),
    Phase.APPROACH: Interlock(True, False, ROOM, Phase.APPROACH),
    # the guide follows the breathing patient while it is judged ...
    Phase.VERIFY: Interlock(True, False, (*ROOM, "verification"), Phase.APPROACH),
    # ... and stands still while a hand brings the pin in; a stop with the pin confirmed is left to here again
    Phase.INSERT: Interlock(False, False, (*ROOM, "verification"), Phase.VERIFY),
    Phase.INJECT: Interlock(False, True, (*ROOM, "injector"), Phase.INJECT),
    # straight back along the tool's own axis, by the arm's joints alone: neither camera nor registration is needed for that,
    # and a patient must not stay on the pin because one of them was lost
    Phase.WITHDRAW: Interlock(True, False, ("arm",), Phase.WITHDRAW, registered=False),
    Phase.REPORT: Interlock(False, False, (), Phase.REPORT),
    Phase.STOPPED: Interlock(False, False, (), Phase.STOPPED),
    Phase.FAULT: Interlock(False, False, (), Phase.FAULT),
}
PIN_IN = (Phase.INSERT, Phase.INJECT, Phase.WITHDRAW)
LATCHED = (Phase.STOPPED, Phase.FAULT)
