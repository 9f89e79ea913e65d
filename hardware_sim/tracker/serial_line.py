"""The device's end of a serial line, on a pseudo-terminal that can be cut and mended."""

from __future__ import annotations

import os
import tty
from collections import deque
from pathlib import Path

from hardware_sim.tracker.device import POWER_ON_BAUD, PolarisDevice
from hardware_sim.tracker.wire import LineBuffer

_BITS_PER_BYTE = 10
_READ_SIZE = 4096
_MOST_WAITING = 8
"""Replies held at most; a host that asks on without reading loses the rest, as with a full UART."""


class SerialLine:
    """Carries commands to the device and its replies back, at the line rate the host chose with COMM.

    The host's line rate is not enforced (a pseudo-terminal has none); each exchange takes the time its bytes need.

    Args:
        device: who answers.
        link: symbolic link to make to the pseudo-terminal; replaced when it is one already.
    """

    def __init__(self, device: PolarisDevice, link: Path) -> None:
        self._device = device
        self._link = link
        self._buffer = LineBuffer()
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._line_free_s = 0.0
        self._corrupted = 0
        self._descriptors: tuple[int, int] | None = None
        self.baud = POWER_ON_BAUD
        self.mend()

    @property
    def descriptor(self) -> int | None:
        """What to wait on for commands; None while the cable is out."""
        return None if self._descriptors is None else self._descriptors[0]

    def mend(self) -> None:
        """Put the cable in: a fresh pseudo-terminal under the same name."""
        if self._descriptors is not None:
            return
        controller, terminal = os.openpty()
        tty.setraw(terminal)
        os.set_blocking(controller, False)
        # the terminal's end stays open here, or a host that closes it would end the line
        self._descriptors = (controller, terminal)
        beside = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        beside.symlink_to(os.ttyname(terminal))
        beside.replace(self._link)

    def cut(self) -> None:
        """Pull the cable: the host's reads and writes fail, what was on its way is lost."""
        if self._descriptors is None:
            return
        if self._link.is_symlink():
            self._link.unlink()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = None
        self._waiting.clear()
        self._buffer = LineBuffer()

    def receive(self, now_s: float) -> None:
        """Read what has come and let the device answer."""
        if self._descriptors is None:
            return
        try:
            data = os.read(self._descriptors[0], _READ_SIZE)
        except (BlockingIOError, OSError):
            return
        for line in self._buffer.feed(data):
            reply = self._device.answer(line, now_s)
            if self._device.faults.muted or len(self._waiting) >= _MOST_WAITING:
                continue
            seconds = (len(line) + 1 + len(reply.data)) * _BITS_PER_BYTE / self.baud
            self._line_free_s = max(now_s, self._line_free_s) + seconds
            self._waiting.append((self._line_free_s, self._spoiled(reply.data)))
            self.baud = reply.baud_after or self.baud

    def due_s(self) -> float | None:
        """When the next reply is through the line, or None."""
        return self._waiting[0][0] if self._waiting else None

    def send(self, now_s: float) -> None:
        """Hand over the replies that are through the line."""
        while self._waiting and self._waiting[0][0] <= now_s:
            _, data = self._waiting.popleft()
            if self._descriptors is not None:
                try:
                    os.write(self._descriptors[0], data)
                except BlockingIOError:
                    continue  # the host does not read: a UART drops it too

    def _spoiled(self, data: bytes) -> bytes:
        faults = self._device.faults
        if faults.corrupt_replies <= self._corrupted:
            return data
        self._corrupted += 1
        # a different byte each time, never the first, so that framing survives and the CRC must catch it
        at = 1 + (37 * self._corrupted) % max(1, len(data) - 2)
        return data[:at] + bytes([data[at] ^ (1 << self._corrupted % 7)]) + data[at + 1 :]

    def restart_corruption(self) -> None:
        """Count corrupted replies from zero (a new ``corrupt N``)."""
        self._corrupted = 0
