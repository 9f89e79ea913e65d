"""Driver of the cement injector: Modbus RTU out, checked readings back, a heartbeat both ways."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field
from pymodbus import FramerType, ModbusException
from pymodbus.client import ModbusSerialClient

from pkp_control.injector_registers import InjectorLimits, InjectorReading, read_input
from planning_core.devices.injector_map import (
    BAUD,
    COMMAND_BLOCK,
    CONTROL_BLOCK,
    INPUT_WORDS,
    UNIT_ID,
    DeviceState,
    RegisterError,
    StateCommand,
    pack,
)
from planning_core.errors import PkpError


class InjectorError(PkpError):
    """Anything wrong between driver and injector."""

    code = "injector"


class InjectorLineError(InjectorError):
    """No answer, or one that does not check (line cut, noise, device off)."""

    code = "injector_line"


class InjectorRefusedError(InjectorError):
    """The device refused a telegram. Carries ``exception``, Modbus's number."""

    code = "injector_refused"


class ReadingRangeError(InjectorError):
    """A reading outside what the device can measure. Carries ``register``."""

    code = "injector_reading"


class StaleReadingError(InjectorError):
    """A reading that is old, or of a device whose cycle stands still. Carries ``age_s``."""

    code = "injector_stale"


class InjectorRestartedError(InjectorError):
    """The device was started anew or exchanged since the last reading. Carries what it said before and now."""

    code = "injector_restarted"


class ClientConfig(BaseModel):
    """Times of the line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: float = Field(0.04, gt=0, le=0.5, description="assumed: longest wait for one answer")
    oldest_s: float = Field(0.08, gt=0, le=0.5, description="assumed: older readings are refused")


class RegisterLine(Protocol):
    """A way to a device's registers."""

    def read_input(self, start: int, count: int) -> list[int]:
        """Input registers as words; raises ``InjectorLineError`` or ``InjectorRefusedError``."""
        ...

    def write(self, start: int, words: Sequence[int]) -> None:
        """Holding registers in one telegram; raises the same."""
        ...

    def close(self) -> None:
        """Let go of the port."""
        ...


class SerialLine:
    """Modbus RTU over a serial port through pymodbus; opened when first needed and again after a loss.

    Args:
        port: path of the serial device. timeout_s: longest wait for one answer; nothing is ever sent twice by itself.
    """

    def __init__(self, port: str, timeout_s: float) -> None:
        self._client = ModbusSerialClient(
            port, framer=FramerType.RTU, baudrate=BAUD, timeout=timeout_s, retries=0, reconnect_delay=0
        )

    def _call(self, ask: Callable[[], object]) -> list[int]:
        try:
            if not self._client.connected and not self._client.connect():
                raise InjectorLineError(f"serial port {self._client.comm_params.host} does not open")
            answer = ask()
        except (ModbusException, OSError, ValueError, IndexError, TypeError) as error:
            # a serial port that vanishes shows itself as any of these; and a torn answer must never be taken for the next
            self._client.close()  # type: ignore[no-untyped-call]
            raise InjectorLineError(f"injector does not answer: {error}") from error
        if answer.isError():  # type: ignore[attr-defined]
            number = getattr(answer, "exception_code", 0)
            raise InjectorRefusedError(f"injector refused the telegram (Modbus exception {number})", exception=number)
        return list(getattr(answer, "registers", None) or [])

    def read_input(self, start: int, count: int) -> list[int]:
        """See ``RegisterLine``."""
        return self._call(lambda: self._client.read_input_registers(start, count=count, device_id=UNIT_ID))

    def write(self, start: int, words: Sequence[int]) -> None:
        """See ``RegisterLine``."""
        self._call(lambda: self._client.write_registers(start, list(words), device_id=UNIT_ID))

    def close(self) -> None:
        """See ``RegisterLine``."""
        self._client.close()  # type: ignore[no-untyped-call]


class InjectorClient:
    """Talks to one injector. Every method that returns a reading has refused bad ones by name.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, line: RegisterLine, clock: Callable[[], float], config: ClientConfig | None = None) -> None:
        self._line, self._clock, self._config = line, clock, config or ClientConfig()
        self._heartbeat = 0
        self._last: InjectorReading | None = None

    def read(self) -> InjectorReading:
        """A fresh reading.

        Raises:
            InjectorLineError, InjectorRefusedError: from the line.
            ReadingRangeError: words that are no reading. StaleReadingError: too long on its way, or the device stands still.
            InjectorRestartedError: another start or another device than before; the reading after it is accepted again.
        """
        asked = self._clock()
        words = self._line.read_input(0, INPUT_WORDS)
        try:
            reading = read_input(words, asked)
        except RegisterError as error:
            raise ReadingRangeError(str(error), **error.data) from error
        age = self._clock() - asked
        if not 0 <= age <= self._config.oldest_s:
            raise StaleReadingError(f"reading took {age * 1000:.0f} ms, more than {self._config.oldest_s * 1000:.0f}", age_s=age)
        before, self._last = self._last, reading
        if before is not None:
            self._compare(before, reading)
        return reading

    def _compare(self, before: InjectorReading, now: InjectorReading) -> None:
        passed = now.acquired_s - before.acquired_s
        if (now.serial_number, now.boot_count) != (before.serial_number, before.boot_count) or now.device_s < before.device_s:
            raise InjectorRestartedError(
                f"injector {before.serial_number} was restarted (start {before.boot_count} → {now.boot_count})",
                serial_before=before.serial_number,
                serial_now=now.serial_number,
                boots_before=before.boot_count,
                boots_now=now.boot_count,
            )
        if now.device_beat != before.device_beat:
            return
        self._last = before  # the clock runs on from when the device was last seen alive
        if passed > self._config.oldest_s:
            raise StaleReadingError(f"the injector's cycle stands still for {passed * 1000:.0f} ms", age_s=passed)

    def drive(self, run: bool, flow_ml_s: float) -> InjectorReading:
        """Feed the watchdog, say whether to run and how fast, and look.

        Raises:
            RegisterError: a flow the device does not take. Otherwise as ``read``; StaleReadingError also where the
            heartbeat does not come back.
        """
        beat = (self._heartbeat + 1) & 0xFFFF
        start, words = pack(CONTROL_BLOCK, (beat, run, flow_ml_s if run else 0.0))
        self._heartbeat = beat
        self._line.write(start, words)
        reading = self.read()
        if reading.heartbeat_echo != beat:
            raise StaleReadingError(f"heartbeat {beat} came back as {reading.heartbeat_echo}", age_s=math.inf)
        return reading

    def _command(self, command: StateCommand, key: int = 0) -> None:
        start, words = pack(COMMAND_BLOCK, (command, key))
        self._line.write(start, words)

    def arm(self, limits: InjectorLimits) -> InjectorReading:
        """From DISABLED or PAUSED to ENABLED under these limits.

        Raises:
            InjectorRefusedError: the device is in FAULT, its E-stop is pressed, or a limit does not suit it.
        """
        start, words = limits.words()
        self._command(StateCommand.DISABLE)
        self._line.write(start, words)
        reading = self.read()
        self._command(StateCommand.ENABLE, reading.stop_count)
        armed = self.drive(False, 0.0)
        if armed.state is not DeviceState.ENABLED:
            raise InjectorRefusedError(f"injector is {armed.state.name} after ENABLE", exception=0)
        return armed

    def stop(self) -> None:
        """Valve shut, plunger at rest; ENABLED is left. Never refused by a device that answers."""
        with contextlib.suppress(InjectorRefusedError):  # in FAULT: stopped already, and only an acknowledgement leaves it
            self._command(StateCommand.DISABLE)

    def acknowledge(self) -> InjectorReading:
        """Clear a FAULT whose cause is gone; on an operator's word only. DISABLED afterwards, whatever it was.

        Raises:
            InjectorRefusedError: the cause is still there.
        """
        faulty = self.read().state is DeviceState.FAULT
        self._command(StateCommand.ACKNOWLEDGE if faulty else StateCommand.DISABLE)
        return self.read()

    def close(self) -> None:
        """Let go of the port; the device stops by itself within its watchdog."""
        self._line.close()
