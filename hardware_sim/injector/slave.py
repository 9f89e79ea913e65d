"""Modbus RTU, the slave's half: telegrams in, telegrams out, over bytes that may be cut, torn or forged.

Written out by hand (Modbus over Serial Line V1.02, Application Protocol V1.1b3), so that the driver's library meets a stranger.
"""

from __future__ import annotations

from hardware_sim.injector.device import InjectorDevice, RefusedError
from planning_core.devices.injector_map import UNIT_ID, Table

MOST_BYTES = 256
READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 0x03, 0x04, 0x06, 0x10


def _shifted(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC = tuple(_shifted(byte) for byte in range(256))


def crc16(data: bytes) -> bytes:
    """Modbus's check sum (polynomial 0xA001, start 0xFFFF), low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def _length(buffer: bytes) -> int | None:
    """Bytes the telegram at the start of a buffer will have; None while unknown."""
    if len(buffer) < 2:
        return None
    if buffer[1] in (READ_HOLDING, READ_INPUT, WRITE_ONE):
        return 8
    if buffer[1] == WRITE_MANY:
        return 9 + buffer[6] if len(buffer) > 6 else None
    return None


class RtuSlave:
    """Collects bytes, answers whole telegrams; bytes that make none are dropped at the next pause of the line.

    Args:
        gap_s: pause that ends a telegram (the norm's 3.5 characters are not kept by USB adapters or pseudo-terminals).
    """

    def __init__(self, device: InjectorDevice, gap_s: float = 0.005) -> None:
        self._device = device
        self._gap_s = gap_s
        self._buffer = b""
        self._heard_at = 0.0

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Bytes from the line; returns the answer, empty where there is none to give."""
        if self._buffer and now_s - self._heard_at > self._gap_s:
            self._buffer = b""
        self._heard_at = now_s
        self._buffer = (self._buffer + data)[: MOST_BYTES + 1]
        wanted = _length(self._buffer)
        if wanted is None or len(self._buffer) < wanted:
            return b""
        telegram, self._buffer = self._buffer, b""
        return self.answer(telegram) if len(telegram) == wanted else b""

    def pause(self, now_s: float) -> bytes:
        """Nothing came: after a gap what was collected is taken as one telegram (a function we do not know) or dropped."""
        if not self._buffer or now_s - self._heard_at <= self._gap_s:
            return b""
        telegram, self._buffer = self._buffer, b""
        return self.answer(telegram)

    def answer(self, telegram: bytes) -> bytes:
        """The answer to one telegram; none to a wrong check sum or another unit's."""
        if not 4 <= len(telegram) <= MOST_BYTES or crc16(telegram[:-2]) != telegram[-2:] or telegram[0] != UNIT_ID:
            return b""
        function, body = telegram[1], telegram[2:-2]
        try:
            reply = self._obey(function, body)
        except RefusedError as refusal:
            reply = bytes([function | 0x80, refusal.exception])
        whole = bytes([UNIT_ID]) + reply
        return whole + crc16(whole)

    def _obey(self, function: int, body: bytes) -> bytes:
        first, second = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
        if function in (READ_HOLDING, READ_INPUT) and len(body) == 4:
            words = self._device.read(Table.HOLDING if function == READ_HOLDING else Table.INPUT, first, second)
            return bytes([function, 2 * len(words)]) + b"".join(w.to_bytes(2, "big") for w in words)
        if function == WRITE_ONE and len(body) == 4:
            self._device.write(first, [second])
            return bytes([function]) + body
        if function == WRITE_MANY and len(body) >= 5 and body[4] == 2 * second == len(body) - 5:
            self._device.write(first, [int.from_bytes(body[5 + 2 * n : 7 + 2 * n], "big") for n in range(second)])
            return bytes([function]) + body[:4]
        known = function in (READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY)
        return bytes([function | 0x80, 3 if known else 1])
