"""What the device remembers through a power cut: two slots written in turn, each with its check sum."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import attrs

from planning_core.errors import PkpError

_SLOT = struct.Struct(">QdIHdd")
_SIZE = _SLOT.size + 4


class MemoryCorruptError(PkpError):
    """Neither slot of the memory can be trusted. Carries ``size`` of the file."""

    code = "injector_memory"


@attrs.frozen
class Remembered:
    """Plunger counter (ml), starts, stops; and the barrel's pressure (kPa) and cement given (ml), which a power cut leaves be."""

    displaced_ml: float = 0.0
    boots: int = 0
    stops: int = 0
    pressure_kpa: float = 0.0
    delivered_ml: float = 0.0


class Memory:
    """Ping-pong record in a small file; a write cut short leaves the other slot whole."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._sequence = 0
        self._handle: int | None = None

    def load(self) -> Remembered:
        """The newest whole record; a fresh one where there is no file yet.

        Raises:
            MemoryCorruptError: there is a file but no slot of it checks.
        """
        if self._path is None or not self._path.exists():
            return Remembered()
        raw = self._path.read_bytes()
        found: list[tuple[int, Remembered]] = []
        for slot in (raw[:_SIZE], raw[_SIZE : 2 * _SIZE]):
            if len(slot) == _SIZE and zlib.crc32(slot[:-4]) == int.from_bytes(slot[-4:], "big"):
                sequence, *values = _SLOT.unpack(slot[:-4])
                found.append((sequence, Remembered(*values)))
        if not found:
            raise MemoryCorruptError(f"neither slot of the injector's memory checks ({len(raw)} bytes)", size=len(raw))
        self._sequence, newest = max(found, key=lambda pair: pair[0])
        return newest

    def save(self, record: Remembered) -> None:
        """Write into the older slot."""
        if self._path is None:
            return
        if self._handle is None:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._sequence += 1
        body = _SLOT.pack(
            self._sequence, record.displaced_ml, record.boots, record.stops & 0xFFFF, record.pressure_kpa, record.delivered_ml
        )
        os.pwrite(self._handle, body + zlib.crc32(body).to_bytes(4, "big"), (self._sequence % 2) * _SIZE)

    def close(self) -> None:
        """Let go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
