"""One command, one reply, over a serial line, never longer than its deadline."""

from __future__ import annotations

import contextlib
import select
import termios
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import serial

from pkp_navigation.ndi_protocol import (
    HEADER_SIZE,
    LONGEST_REPLY,
    START_SEQUENCE,
    FrameFormatError,
    NdiError,
    binary_size,
    command,
    parse_ascii,
)

POWER_ON_BAUD = 9600
BITS_PER_BYTE = 10
_LINE_ERRORS = (OSError, ValueError, TypeError, serial.SerialException, termios.error)
"""What pyserial lets out of a line that is gone: of its own, of the system and of what it makes of a closed descriptor."""
_QUIET_S = 0.03
_MOST_DISCARDED = 1 << 16


class LinkTimeoutError(NdiError):
    """No whole reply in time. Carries ``command`` and the ``received`` number of bytes."""

    code = "ndi_timeout"


class LinkLostError(NdiError):
    """The serial line is gone or cannot be opened. Carries ``port``."""

    code = "ndi_link"


class SerialLink:
    """A serial line to the tracker.

    Args:
        port: serial device.
        baud: line rate to open it with.

    Raises:
        LinkLostError: it cannot be opened, or another process holds it.
    """

    def __init__(self, port: str, baud: int) -> None:
        self.port = port
        try:
            self._serial = serial.Serial(port, baud, timeout=0.0, write_timeout=1.0, exclusive=True)
        except _LINE_ERRORS as failed:
            raise LinkLostError(f"{port} cannot be opened: {failed}", port=port) from failed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def baud(self) -> int:
        """The line rate."""
        return int(self._serial.baudrate)

    def set_baud(self, baud: int) -> None:
        """Change the line rate of this side."""
        with self._lost_when_gone():
            self._serial.baudrate = baud

    def close(self) -> None:
        """Give the line back."""
        with contextlib.suppress(*_LINE_ERRORS):  # a line that is gone need not be closed
            self._serial.close()

    def send_break(self) -> None:
        """A serial break: the device resets to 9600 baud (a pseudo-terminal carries none)."""
        with self._lost_when_gone():
            self._serial.send_break(0.25)

    def ask(self, name: str, parameters: str = "", *, timeout_s: float) -> str:
        """Send a command and return the text of its reply.

        Raises:
            LinkTimeoutError, LinkLostError, FrameFormatError, CrcError, DeviceRefusalError.
        """
        self._write(name, parameters)
        return parse_ascii(self._read_line(name, b"", time.monotonic() + timeout_s), name)

    def ask_binary(self, name: str, parameters: str, *, timeout_s: float) -> bytes:
        """Send a command that is answered in binary (BX) and return the whole reply, its data CRC not yet checked.

        Raises:
            LinkTimeoutError, LinkLostError, FrameFormatError, CrcError; DeviceRefusalError where it answers in text.
        """
        self._write(name, parameters)
        deadline = time.monotonic() + timeout_s
        header = self._read_exactly(name, HEADER_SIZE, deadline)
        if header.startswith(b"ERROR"):
            parse_ascii(self._read_line(name, header, deadline), name)
            raise FrameFormatError(f"reply to {name} starts with {header!r}", size=len(header))
        if not header.startswith(START_SEQUENCE):
            raise FrameFormatError(f"reply to {name} starts with {header.hex()}", size=len(header))
        return header + self._read_exactly(name, binary_size(header), deadline)

    def wait_for(self, text: str, *, timeout_s: float) -> None:
        """Wait for a reply nobody asked for (RESET after a break)."""
        if parse_ascii(self._read_line(text, b"", time.monotonic() + timeout_s), text) != text:
            raise FrameFormatError(f"{text} expected", size=0)

    def drain(self) -> None:
        """Throw away what is still coming until the line is quiet, so that an old reply is not taken for a new one."""
        discarded = 0
        while discarded < _MOST_DISCARDED and (piece := self._read_some(time.monotonic() + _QUIET_S, LONGEST_REPLY)):
            discarded += len(piece)

    def _write(self, name: str, parameters: str) -> None:
        with self._lost_when_gone():
            self._serial.reset_input_buffer()
            self._serial.write(command(name, parameters))

    def _read_line(self, name: str, begun: bytes, deadline: float) -> bytes:
        line = bytearray(begun)
        while not line.endswith(b"\r"):
            piece = self._read_some(deadline, LONGEST_REPLY)
            if not piece:
                raise _late(name, len(line))
            line += piece
            if b"\r" in line[:-1] or len(line) > LONGEST_REPLY:
                raise FrameFormatError(f"more than one reply to {name}, or one without end", size=len(line))
        return bytes(line[:-1])

    def _read_exactly(self, name: str, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._read_some(deadline, size - len(data))
            if not piece:
                raise _late(name, len(data))
            data += piece
        return bytes(data)

    def _read_some(self, deadline: float, most: int) -> bytes:
        """Between 1 and ``most`` bytes, or none when the deadline has passed."""
        with self._lost_when_gone():
            # waited for here: pyserial sets up the whole port anew for every change of its own timeout
            ready, _, _ = select.select([self._serial.fileno()], [], [], max(0.0, deadline - time.monotonic()))
            return bytes(self._serial.read(max(1, min(most, self._serial.in_waiting)))) if ready else b""

    @contextlib.contextmanager
    def _lost_when_gone(self) -> Iterator[None]:
        try:
            yield
        except _LINE_ERRORS as failed:
            raise LinkLostError(f"{self.port} is gone: {failed}", port=self.port) from failed


def _late(name: str, received: int) -> LinkTimeoutError:
    return LinkTimeoutError(f"no whole reply to {name} in time, {received} bytes came", command=name, received=received)
