"""The host's side of the NDI wire: commands out, ASCII and binary replies in, every CRC checked.

Format: NDI Polaris Application Program Interface Guide, revision 5 (2011). Whatever the bytes, only :class:`NdiError`
and its children come out of the parsers.
"""

from __future__ import annotations

import binascii
import enum
import math
import struct

import attrs

from planning_core.errors import PkpError

START_SEQUENCE = b"\xc4\xa5"
HEADER_SIZE = 6
LONGEST_REPLY = 4096
"""Bytes of the longest reply accepted; 24 handles and 240 strays would need 3922."""
TRANSFORMS = 0x0001
STRAYS = 0x1000
QUATERNION_TOLERANCE = 1e-3
FARTHEST_MM = 10_000.0


class NdiError(PkpError):
    """What came over the wire cannot be used."""

    code = "ndi"


class FrameFormatError(NdiError):
    """Bytes that are no reply: start, length, counts or numbers are impossible. Carries ``size``."""

    code = "ndi_format"


class CrcError(NdiError):
    """A reply whose CRC does not fit. Carries ``received`` and ``computed``."""

    code = "ndi_crc"


class DeviceRefusalError(NdiError):
    """The device answered ``ERRORxx``. Carries ``number`` and ``command``."""

    code = "ndi_refused"


class HandleStatus(enum.IntEnum):
    """First byte of a handle's BX data."""

    VALID = 1
    MISSING = 2
    DISABLED = 4


class PortStatus(enum.IntFlag):
    """Port status bits of a handle."""

    OCCUPIED = 0x01
    INITIALISED = 0x10
    ENABLED = 0x20
    OUT_OF_VOLUME = 0x40
    PARTIALLY_OUT = 0x80


@attrs.frozen
class HandleReading:
    """One handle in one BX reply.

    Args:
        handle: port handle.
        status: whether a pose came with it.
        pose: quaternion w, x, y, z (tool → tracker), translation in mm, RMS error in mm; None without a pose.
        raw_pose: the 32 bytes the pose came in; equal bytes are the same measurement.
        port_status: :class:`PortStatus` bits.
        frame_number: the device's counter at the exposure.
    """

    handle: int
    status: HandleStatus
    pose: tuple[float, ...] | None
    raw_pose: bytes
    port_status: PortStatus
    frame_number: int


@attrs.frozen
class BxFrame:
    """One BX reply: handles, stray markers (mm, tracker frame), system status bits."""

    handles: tuple[HandleReading, ...]
    strays_mm: tuple[tuple[float, float, float], ...]
    system_status: int


def _table_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


_TABLE = tuple(_table_entry(value) for value in range(256))


def crc16(data: bytes) -> int:
    """CRC-16/ARC (x¹⁶+x¹⁵+x²+1 reflected, start 0)."""
    value = 0
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value


def command(name: str, parameters: str = "") -> bytes:
    """``NAME:parameters`` with CRC and CR."""
    text = f"{name}:{parameters}".encode("ascii")
    return text + f"{crc16(text):04X}\r".encode("ascii")


def parse_ascii(line: bytes, sent: str = "") -> str:
    """The text of an ASCII reply ``line`` (without CR), CRC checked and taken off.

    Args:
        line: what came before the CR.
        sent: name of the command it answers, for the error.

    Raises:
        FrameFormatError: too short, too long or not ASCII.
        CrcError: the CRC does not fit.
        DeviceRefusalError: it is an ``ERRORxx``.
    """
    if not 4 <= len(line) <= LONGEST_REPLY:
        raise FrameFormatError(
            f"reply to {sent or 'command'} of {len(line)} bytes, 4 to {LONGEST_REPLY} expected", size=len(line)
        )
    try:
        text, digits = line[:-4].decode("ascii"), line[-4:]
        received = int.from_bytes(binascii.unhexlify(digits), "big")
    except (UnicodeDecodeError, binascii.Error):
        raise FrameFormatError(f"reply to {sent or 'command'} is not ASCII text with a CRC", size=len(line)) from None
    _check_crc(line[:-4], received)
    if text.startswith("ERROR"):
        number = int(text[5:7], 16) if _is_hex(text[5:7]) else 0
        raise DeviceRefusalError(f"the tracker refused {sent or 'a command'}: {text}", number=number, command=sent)
    return text


def binary_size(header: bytes) -> int:
    """Bytes that follow the six of a BX header: data and CRC.

    Raises:
        FrameFormatError: no start sequence, or a length no reply has.
        CrcError: the header's CRC does not fit.
    """
    if len(header) != HEADER_SIZE or header[:2] != START_SEQUENCE:
        raise FrameFormatError(f"binary reply starts with {header[:2].hex() or 'nothing'}, not c4a5", size=len(header))
    length, received = struct.unpack_from("<HH", header, 2)
    _check_crc(header[:4], received)
    if length + 2 > LONGEST_REPLY:
        raise FrameFormatError(f"binary reply of {length} bytes, at most {LONGEST_REPLY}", size=length)
    return length + 2


def parse_bx(data: bytes, option: int) -> BxFrame:
    """A whole BX reply, header and CRC included, to a request with ``option`` (TRANSFORMS, STRAYS).

    Raises:
        FrameFormatError: lengths or counts disagree, or a number is not finite, not a rotation or not in the room.
        CrcError: a CRC does not fit.
    """
    size = binary_size(data[:HEADER_SIZE])
    if len(data) != HEADER_SIZE + size:
        raise FrameFormatError(f"binary reply of {len(data)} bytes, header says {HEADER_SIZE + size}", size=len(data))
    body = data[HEADER_SIZE:-2]
    _check_crc(body, int.from_bytes(data[-2:], "little"))
    try:
        return _parse_body(body, option)
    except (struct.error, IndexError):
        raise FrameFormatError(f"binary reply of {len(data)} bytes ends too early", size=len(data)) from None


def _parse_body(body: bytes, option: int) -> BxFrame:
    handles = []
    at = 1
    for _ in range(body[0]):
        reading, at = _parse_handle(body, at, option)
        handles.append(reading)
    strays: list[tuple[float, float, float]] = []
    if option & STRAYS:
        count = body[at]
        at += 1 + (count + 7) // 8
        for _ in range(count):
            x, y, z = _finite(struct.unpack_from("<3f", body, at))
            strays.append((x, y, z))
            at += 12
    (system_status,) = struct.unpack_from("<H", body, at)
    if at + 2 != len(body):
        raise FrameFormatError(f"{len(body) - at - 2} bytes too many in a binary reply", size=len(body))
    if len({reading.handle for reading in handles}) != len(handles):
        raise FrameFormatError("the same handle twice in a binary reply", size=len(body))
    return BxFrame(tuple(handles), tuple(strays), system_status)


def _parse_handle(body: bytes, at: int, option: int) -> tuple[HandleReading, int]:
    handle, code = body[at], body[at + 1]
    at += 2
    if code not in tuple(HandleStatus):
        raise FrameFormatError(f"handle {handle:02X} has status {code}", size=len(body))
    status = HandleStatus(code)
    pose, raw, port, frame = None, b"", 0, 0
    if status is not HandleStatus.DISABLED and option & TRANSFORMS:
        if status is HandleStatus.VALID:
            pose = _finite(struct.unpack_from("<8f", body, at))
            raw = body[at : at + 32]
            norm = math.sqrt(sum(value * value for value in pose[:4]))
            if abs(norm - 1.0) > QUATERNION_TOLERANCE or pose[7] < 0.0:
                raise FrameFormatError(f"quaternion of length {norm:.4f}, RMS error {pose[7]:g} mm", size=len(body))
            at += 32
        port, frame = struct.unpack_from("<II", body, at)
        at += 8
    return HandleReading(handle, status, pose, raw, PortStatus(port & 0xFF), frame), at


def _finite(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(math.isfinite(value) and abs(value) <= FARTHEST_MM for value in values):
        raise FrameFormatError(f"numbers that are not finite or beyond {FARTHEST_MM:g} mm", size=len(values))
    return values


def _check_crc(data: bytes, received: int) -> None:
    computed = crc16(data)
    if received != computed:
        raise CrcError(f"CRC {received:04X}, computed {computed:04X}", received=received, computed=computed)


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
