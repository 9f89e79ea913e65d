"""The other ends of the fault and truth sockets, for tests, the bench and a person at a shell."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hardware_sim.tracker.faults import FaultCommandError

_LONGEST_MESSAGE = 1 << 16


class LocalCaller:
    """One connection to a local message socket; longest wait for an answer ``timeout_s``."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class FaultChannel(LocalCaller):
    """Switches faults of a running device.

    Args:
        path: the control socket.
        timeout_s: longest wait for an answer, seconds.
    """

    def __init__(self, path: Path, timeout_s: float = 2.0) -> None:
        super().__init__(path, timeout_s)

    def send(self, line: str) -> None:
        """Apply one line (hardware_sim.tracker.faults) and wait until it is in force.

        Raises:
            FaultCommandError: the device refused it.
        """
        self.socket.send(line.encode("utf-8"))
        answer = self.socket.recv(_LONGEST_MESSAGE).decode("utf-8", "replace")
        if answer != "ok":
            raise FaultCommandError(answer or "the device is gone", line=line)


class TruthChannel(LocalCaller):
    """The truth of each exposure that was measured from now on. For tests and the bench only.

    Args:
        path: the truth socket.
        timeout_s: longest wait for the next exposure, seconds.
    """

    def __init__(self, path: Path, timeout_s: float = 2.0) -> None:
        super().__init__(path, timeout_s)

    def next(self) -> dict[str, Any]:
        """The next record (hardware_sim.tracker.frames.truth_record); raises TimeoutError when none comes."""
        record: dict[str, Any] = json.loads(self.socket.recv(_LONGEST_MESSAGE))
        return record

    def pending(self) -> list[dict[str, Any]]:
        """All records that have come by now, without waiting."""
        records = []
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(_LONGEST_MESSAGE):
                records.append(json.loads(data))
        except BlockingIOError:
            pass
        return records
