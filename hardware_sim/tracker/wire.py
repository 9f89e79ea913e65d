"""The device's side of the NDI wire: commands in, ASCII and binary replies out, both with CRC-16.

Format: NDI Polaris Application Program Interface Guide, revision 5 (2011), as the open client ndicapi implements it.
A command is ``NAME:parameters`` + four hexadecimal CRC digits + CR, or ``NAME parameters`` + CR without a CRC.
"""

from __future__ import annotations

import struct

import attrs

from planning_core.errors import PkpError

CARRIAGE_RETURN = b"\r"
LONGEST_COMMAND = 512
"""Bytes of the longest command accepted; PVWR, the longest in use, has 144."""
START_SEQUENCE = 0xA5C4
LONGEST_BINARY_REPLY = 0xFFFF


class DeviceError(PkpError):
    """A command the device answers with ``ERRORxx``. Carries ``number``, NDI's error code."""

    code = "ndi_device"


class WireFormatError(PkpError):
    """Bytes or values that no NDI frame can hold. Carries ``size``."""

    code = "ndi_wire"


INVALID_COMMAND = 0x01
COMMAND_TOO_LONG = 0x02
BAD_CRC = 0x04
PARAMETER_COUNT = 0x07
INVALID_HANDLE = 0x08
INVALID_PRIORITY = 0x09
WRONG_MODE = 0x0C
NOT_INITIALISED_HANDLE = 0x0E
NOT_INITIALISED_SYSTEM = 0x10
INTERNAL_ERROR = 0x1A
OUT_OF_RANGE = 0x23
HANDLES_FULL = 0x2D
HANDLE_NOT_ALLOCATED = 0x2B
NO_SUCH_USER_PARAMETER = 0x34
BAD_TOOL_FILE = 0x40


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def crc16(data: bytes, start: int = 0) -> int:
    """CRC-16 with the polynomial x¹⁶+x¹⁵+x²+1, bit-reversed, start 0 (CRC-16/ARC), as NDI uses it."""
    value = start
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value


@attrs.frozen
class Command:
    """One command line.

    Args:
        name: upper-case command name.
        parameters: what follows the colon or space, without the CRC.
    """

    name: str
    parameters: str


def parse_command(line: bytes) -> Command:
    """The command in ``line`` (without its CR).

    Raises:
        DeviceError: too long, not ASCII, no name, or a CRC that does not fit.
    """
    if len(line) > LONGEST_COMMAND:
        raise DeviceError(f"command of {len(line)} bytes, at most {LONGEST_COMMAND}", number=COMMAND_TOO_LONG)
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        raise DeviceError("command is not ASCII", number=INVALID_COMMAND) from None
    name, colon, rest = text.partition(":")
    if colon and name.isalnum():
        if len(rest) < 4:
            raise DeviceError(f"{name}: CRC missing", number=BAD_CRC)
        parameters, digits = rest[:-4], rest[-4:]
        if hex_number(digits, BAD_CRC) != crc16(text[:-4].encode("ascii")):
            raise DeviceError(f"{name}: CRC {digits} does not fit", number=BAD_CRC)
    else:
        name, _, parameters = text.partition(" ")
    if not (name.isalnum() and name.isupper()):
        raise DeviceError(f"no command name in {text[:20]!r}", number=INVALID_COMMAND)
    return Command(name, parameters)


def hex_number(digits: str, number: int = OUT_OF_RANGE) -> int:
    """The value of upper- or lower-case hexadecimal digits.

    Raises:
        DeviceError: empty, or another character; answered with ``number``.
    """
    if not digits or any(character not in "0123456789abcdefABCDEF" for character in digits):
        raise DeviceError(f"{digits!r} is not hexadecimal", number=number)
    return int(digits, 16)


def ascii_reply(text: str) -> bytes:
    """``text`` with its CRC and CR."""
    body = text.encode("ascii")
    return body + f"{crc16(body):04X}".encode("ascii") + CARRIAGE_RETURN


def error_reply(number: int) -> bytes:
    """``ERRORxx`` with CRC and CR."""
    return ascii_reply(f"ERROR{number:02X}")


def binary_reply(body: bytes) -> bytes:
    """A BX reply: start sequence, length and header CRC, ``body``, CRC; all little-endian.

    Raises:
        WireFormatError: the body does not fit the 16 bit length.
    """
    if len(body) > LONGEST_BINARY_REPLY:
        raise WireFormatError(f"binary reply of {len(body)} bytes, at most {LONGEST_BINARY_REPLY}", size=len(body))
    header = struct.pack("<HH", START_SEQUENCE, len(body))
    return header + struct.pack("<H", crc16(header)) + body + struct.pack("<H", crc16(body))


def signed_field(value: float, digits: int, decimals: int) -> str:
    """A TX number: sign and ``digits`` digits, the decimal point left out (``+012345`` is +1.2345 with four decimals).

    Raises:
        WireFormatError: the value needs more digits.
    """
    scaled = round(value * 10**decimals)
    if abs(scaled) >= 10**digits:
        raise WireFormatError(f"{value:g} does not fit {digits} digits", size=digits)
    return f"{scaled:+0{digits + 1}d}"


class LineBuffer:
    """Collects bytes into commands and never holds more than one longest command.

    A longer run without a CR is dropped up to the next CR and reported as one over-long line, as the device does.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The complete lines (without CR) that ``data`` finishes; an over-long one comes back as LONGEST_COMMAND + 1 bytes."""
        lines = []
        for piece in _split(data):
            ended = piece.endswith(CARRIAGE_RETURN)
            self._pending += piece[:-1] if ended else piece
            if len(self._pending) > LONGEST_COMMAND:
                del self._pending[LONGEST_COMMAND + 1 :]
            if ended:
                lines.append(bytes(self._pending))
                self._pending.clear()
        return lines


def _split(data: bytes) -> list[bytes]:
    pieces = data.split(CARRIAGE_RETURN)
    return [piece + CARRIAGE_RETURN for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
