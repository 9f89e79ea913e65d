"""Driver, controller and journal joined into one cycle that a node calls at its rate."""

from __future__ import annotations

from collections.abc import Callable

from pkp_control.injection import acknowledge, arm, counted_from, halt, limits_for, step, to_give
from pkp_control.injection_config import InjectionConfig
from pkp_control.injection_journal import InjectionJournal, JournalWriteError
from pkp_control.injection_types import (
    ARMED,
    LEAVE,
    REST,
    CounterWentBackError,
    InjectionOrder,
    InjectionRefusedError,
    InjectionState,
    InjectorCommand,
    Phase,
    Stop,
)
from pkp_control.injector_client import (
    InjectorClient,
    InjectorError,
    InjectorLineError,
    InjectorRefusedError,
    InjectorRestartedError,
    ReadingRangeError,
    StaleReadingError,
)
from pkp_control.injector_registers import InjectorReading
from planning_core.cement.curing import CementClock
from planning_core.errors import PkpError


class InjectionCycle:
    """One injector under control. ``state`` says everything; ``trouble`` is the last named error of the driver, ``reading`` its
    last good reading, in any phase.

    Args:
        clock: monotonic seconds, the client's own. journal: where volumes are kept; its record is taken up at the start,
            and a device still enabled is stopped.
    """

    def __init__(
        self, client: InjectorClient, journal: InjectionJournal, clock: Callable[[], float], config: InjectionConfig
    ) -> None:
        self._client, self._journal, self._clock, self.config = client, journal, clock, config
        self.state: InjectionState = journal.recover()
        self.trouble: PkpError | None = None
        self.reading: InjectorReading | None = None
        self._command: InjectorCommand = REST
        self._leave()  # whoever was in control before me may have died with the plunger moving

    def arm(self, order: InjectionOrder, cement: CementClock) -> None:
        """Arm device and controller for one side; refusals leave both disarmed.

        A counter that went back is a stop as well: only an acknowledgement of that very sign lets the device count anew.

        Raises:
            InjectionRefusedError, InjectorError, ClockStepError, CuringInputError, JournalWriteError: as said there.
        """
        if self.state.phase not in (Phase.DISARMED, Phase.DONE):
            raise InjectionRefusedError(f"cannot arm while {self.state.phase.value}", phase=self.state.phase.value)
        now = self.reading = self._client.read()
        self.state, _ = step(self.state, self._clock(), now, False, None, self.config)  # the counter as it stands
        lacking = to_give(self.state, order, self.config)
        try:
            reading = self._client.arm(limits_for(lacking, counted_from(self.state, now, self.config), self.config))
            armed = arm(self.state, order, cement, reading, self._clock(), self.config)
            self._journal.note(armed)
        except CounterWentBackError:
            self.halt(Stop.COUNTER)
            raise
        except PkpError:
            self._leave()
            raise
        self.state, self._command = armed, REST

    def acknowledge(self, operator: str) -> None:
        """Clear device and controller after a stop.

        Raises:
            InjectionRefusedError: nothing stopped, or no name. InjectorError: the device does not clear.
        """
        cleared = acknowledge(self.state, operator, self._clock())
        reading = self.reading = self._client.acknowledge()
        self.state, _ = step(cleared, self._clock(), reading, False, None, self.config)
        self._command = REST
        self._record()

    def cycle(self, permitted: bool, stop: Stop | None = None) -> InjectionState:
        """Look, decide, command, record: within one call a stop known now is on the wire.

        Args:
            permitted: hold-to-run switch. stop: from operator, supervisor or interlock.
        """
        pushing = self._command.run and permitted and stop is None
        reading, why = self._look(InjectorCommand(pushing, self._command.flow_ml_s if pushing else 0.0))
        self.reading = reading or self.reading
        stop = stop or (why if self.state.phase in ARMED else None)
        was = self._command
        self.state, self._command = step(self.state, self._clock(), reading, permitted, stop, self.config)
        if self._command.disable and (stop or was.run or reading is None or reading.state.name == "ENABLED"):
            self._leave()
        self._record()
        return self.state

    def _record(self) -> None:
        """What cannot be recorded is not given."""
        try:
            self._journal.note(self.state)
        except JournalWriteError as error:
            self.trouble = error
            if self.state.phase in ARMED:
                self.state, self._command = halt(self.state, Stop.RECORD, self._clock()), LEAVE
                self._leave()

    def _look(self, command: InjectorCommand) -> tuple[InjectorReading | None, Stop | None]:
        """Command and read; a reading that is not good is none, and some are reasons to stop at once."""
        self.trouble = None
        try:
            if self.state.phase in ARMED:
                return self._client.drive(command.run, command.flow_ml_s), None
            return self._client.read(), None
        except (InjectorLineError, StaleReadingError) as error:
            self.trouble = error
            return None, None  # may be one telegram lost: the controller stops when it stays blind
        except InjectorRestartedError as error:
            self.trouble = error
            return None, Stop.RESTARTED
        except ReadingRangeError as error:
            self.trouble = error
            return None, Stop.READING
        except InjectorRefusedError as error:
            self.trouble = error
            return self._why_refused()

    def _why_refused(self) -> tuple[InjectorReading | None, Stop | None]:
        """The device would not run: ask it why."""
        try:
            return self._client.read(), None
        except InjectorError as error:
            self.trouble = error
            return None, Stop.DEVICE_LEFT

    def _leave(self) -> None:
        try:
            self._client.stop()
        except InjectorError as error:
            self.trouble = error  # a device that cannot be told stops by its watchdog

    def halt(self, reason: Stop) -> None:
        """Stop outside the cycle (shutdown, a sign that only arming shows)."""
        self.state = halt(self.state, reason, self._clock())
        self._leave()
        self._record()
