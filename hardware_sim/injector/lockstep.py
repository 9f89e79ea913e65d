"""The device and its line inside one process, on simulated time: telegrams and all, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Sequence

from hardware_sim.injector.device import CYCLE_S, InjectorDevice
from hardware_sim.injector.slave import READ_INPUT, WRITE_MANY, RtuSlave, crc16
from planning_core.devices.injector_map import UNIT_ID

BYTE_S = 10 / 115200
"""One byte with start and stop bit at the line's rate."""


class Lockstep:
    """Time passes only here: while telegrams travel, and when told to wait."""

    def __init__(self, device: InjectorDevice, turnaround_s: float = 0.002) -> None:
        self.device = device
        self.cut = False
        self.now_s = 0.0
        self._slave = RtuSlave(device)
        self._turnaround_s = turnaround_s

    def clock(self) -> float:
        """Simulated seconds."""
        return self.now_s

    def wait(self, seconds: float) -> None:
        """Let the device live for so long."""
        self.now_s += seconds
        while self.device.mechanism.time_s + CYCLE_S <= self.now_s + 1e-9:
            self.device.tick()

    def ask(self, function: int, body: bytes) -> bytes:
        """The answer's bytes after the unit, check sum removed; empty where none came."""
        telegram = bytes([UNIT_ID, function]) + body
        telegram += crc16(telegram)
        self.wait(len(telegram) * BYTE_S + self._turnaround_s)
        reply = b"" if self.cut else self._slave.answer(telegram)
        self.wait(len(reply) * BYTE_S)
        return reply[1:-2]

    def ask_input(self, start: int, count: int) -> bytes:
        """Read input registers."""
        return self.ask(READ_INPUT, start.to_bytes(2, "big") + count.to_bytes(2, "big"))

    def ask_write(self, start: int, words: Sequence[int]) -> bytes:
        """Write holding registers."""
        data = b"".join(w.to_bytes(2, "big") for w in words)
        return self.ask(WRITE_MANY, start.to_bytes(2, "big") + len(words).to_bytes(2, "big") + bytes([len(data)]) + data)
