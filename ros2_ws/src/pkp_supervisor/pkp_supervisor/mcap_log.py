"""MCAP files that are readable whatever ends the process, and a full disk that costs nothing that memory can hold."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

import attrs
from mcap.writer import CompressionType, Writer


@attrs.frozen
class Record:
    """One message as it was on the wire (CDR), with its type's name and definition; times in ns since the epoch."""

    topic: str
    type_name: str
    definition: str
    data: bytes
    received_ns: int


@attrs.frozen
class LogLimits:
    """When a file is full and a disk is.

    Args:
        file_bytes, file_s: a file is closed at this size or age. free_bytes: no file is begun with less on the disk.
        held_bytes: kept in memory while nothing can be written. retry_s: between attempts.
    """

    file_bytes: int = 256 * 2**20
    file_s: float = 600.0
    free_bytes: int = 64 * 2**20
    held_bytes: int = 64 * 2**20
    retry_s: float = 1.0


@attrs.define
class LogState:
    """What the log would say of itself."""

    file: str = ""
    written: int = 0
    lost: int = 0
    bytes: int = 0
    error_code: str = ""
    error_msg: str = ""


def _create(path: Path) -> IO[bytes]:
    return path.open("xb")


class RotatingLog:
    """Numbered MCAP files in a folder.

    Each flush ends a chunk and hands it to the system, so a killed process loses at most what came since. Messages stay in
    memory until they were flushed; after a failed write they go into the next file.

    Args:
        create, free_bytes: how a file is made and a disk asked; tests give their own.
    """

    def __init__(
        self,
        folder: Path,
        limits: LogLimits | None = None,
        create: Callable[[Path], IO[bytes]] = _create,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.state = LogState()
        self._folder, self._limits = folder, limits or LogLimits()
        self._create, self._free = create, free_bytes
        self._held: deque[Record] = deque()
        self._held_bytes = 0
        self._stream: IO[bytes] | None = None
        self._retry_at_s = self._opened_s = float("-inf")
        folder.mkdir(parents=True, exist_ok=True)
        self._number = 1 + max((int(p.stem.rsplit("_", 1)[-1]) for p in folder.glob("record_*.mcap")), default=-1)

    def add(self, record: Record) -> None:
        """Take a message; it is on its way to the disk after the next ``flush``."""
        self._held.append(record)
        self._held_bytes += len(record.data)
        while self._held_bytes > self._limits.held_bytes and self._stream is None:
            self._held_bytes -= len(self._held.popleft().data)
            self.state.lost += 1
        if self._stream is not None:
            self._guarded(lambda: self._write(record))

    def flush(self, now_s: float) -> None:
        """End the chunk; open the first file, close a full one, try again after a failure."""
        if self._stream is None and now_s >= self._retry_at_s:
            self._retry_at_s = now_s + self._limits.retry_s
            self._guarded(lambda: self._open(now_s))
        if self._stream is None:
            return
        if self._guarded(self._settle) and (
            self.state.bytes >= self._limits.file_bytes or now_s - self._opened_s >= self._limits.file_s
        ):
            self._guarded(self._finish)
            self._retry_at_s = float("-inf")

    def close(self) -> None:
        """Write what is held and end the file properly."""
        self._retry_at_s = float("-inf")
        self.flush(0.0)
        if self._stream is not None:
            self._guarded(self._finish)
        self.state.lost += len(self._held)
        self._held.clear()

    def _open(self, now_s: float) -> None:
        if self._free(self._folder) < self._limits.free_bytes:
            raise OSError(28, f"less than {self._limits.free_bytes / 2**20:.0f} MB free")
        path = self._folder / f"record_{self._number:04d}.mcap"
        self._number += 1
        self._stream = self._create(path)
        self.state.file, self._opened_s = str(path), now_s
        self._writer = Writer(self._stream, chunk_size=2**20, compression=CompressionType.ZSTD)
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._writer.start(profile="ros2", library="openpkp")
        for record in self._held:
            self._write(record)

    def _write(self, record: Record) -> None:
        if record.type_name not in self._schemas:
            self._schemas[record.type_name] = self._writer.register_schema(
                record.type_name, "ros2msg", record.definition.encode()
            )
        if record.topic not in self._channels:
            self._channels[record.topic] = self._writer.register_channel(record.topic, "cdr", self._schemas[record.type_name])
        self._writer.add_message(self._channels[record.topic], record.received_ns, record.data, record.received_ns)

    def _settle(self) -> None:
        assert self._stream is not None
        self._writer.flush()
        self.state.bytes = self._stream.tell()
        self.state.written += len(self._held)
        self._held.clear()
        self._held_bytes = 0
        self.state.error_code = self.state.error_msg = ""

    def _finish(self) -> None:
        assert self._stream is not None
        self._writer.finish()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._stream = None

    def _guarded(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except OSError as error:
            self.state.error_code = "disk_full" if error.errno in (27, 28, 122) else "write_failed"
            self.state.error_msg = str(error)
            if self._stream is not None:
                with contextlib.suppress(OSError):
                    self._stream.close()
            self._stream = None
            return False
        return True
