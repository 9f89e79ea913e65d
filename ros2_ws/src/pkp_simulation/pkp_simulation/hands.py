"""What people do in the simulated room, by its control sockets: the automatic operator's hands."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time

from hardware_sim.arm import ArmMode
from hardware_sim.room.control import RoomOperator
from planning_core.errors import PkpError

CEMENT_AGE_S = 240.0
"""Since mixing, when the cartridge is set in: high-viscosity cement in the middle of its window."""
ANSWER_S = 60.0
THERE_S, AGAIN_S = 60.0, 0.05
"""How long a device may take to come up on a busy machine, and how often somebody looks."""


class HandRefusedError(PkpError):
    """A simulated device would not do what a hand did. Carries ``device`` and ``answer``."""

    code = "hand_refused"


def _connected(path: Path, there_s: float) -> socket.socket:
    deadline = time.monotonic() + there_s
    while True:
        caller = socket.socket(socket.AF_UNIX)
        try:
            caller.connect(str(path))
            return caller
        except (FileNotFoundError, ConnectionRefusedError) as error:
            caller.close()
            if time.monotonic() > deadline:
                why = f"not there after {there_s:g} s ({error.strerror})"
                raise HandRefusedError(f"{path.stem}: {why}", device=path.stem, answer={}) from error
        time.sleep(AGAIN_S)


class LineCaller:
    """One simulated device's control socket: a line of JSON to it, a line back, the last answer read when the next is sent.

    Args:
        timeout_s: for an answer. there_s: for the device to come up.

    Raises:
        HandRefusedError: it did not.
    """

    def __init__(self, path: Path, timeout_s: float = ANSWER_S, there_s: float = THERE_S) -> None:
        self._name, self._awaited = path.stem, False
        self._socket = _connected(path, there_s)
        self._socket.settimeout(timeout_s)
        self._file = self._socket.makefile("rb")

    def tell(self, **message: Any) -> None:
        """Ask, and do not wait.

        Raises:
            HandRefusedError: the device refused what it was asked before.
        """
        self.answer()
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        self._awaited = True

    def answer(self) -> None:
        """Wait for what was asked last.

        Raises:
            HandRefusedError: it was refused, or the device is gone.
        """
        if not self._awaited:
            return
        self._awaited = False
        line = self._file.readline()
        answer = json.loads(line) if line else {"message": "gone"}
        if answer.get("ok") is not True:
            said = answer.get("message", answer.get("error", ""))
            raise HandRefusedError(f"{self._name}: {said}", device=self._name, answer=answer)

    def look(self) -> None:
        """Take the answer if it has come.

        Raises:
            HandRefusedError: see ``answer``.
        """
        if self._awaited and select.select([self._socket], [], [], 0)[0]:
            self.answer()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


class SimulatedHands:
    """Hands in the room whose sim folder this is.

    Args:
        carm, injector: control sockets of those devices.
    """

    def __init__(self, folder: Path, carm: Path, injector: Path) -> None:
        self.room = RoomOperator(folder)
        self.carm, self.injector = LineCaller(carm), LineCaller(injector)

    def hold_breath(self, held: bool) -> None:
        """See ``procedure.Hands``."""
        self.room.hold_breath(held)

    def scan(self) -> None:
        """See ``procedure.Hands``."""
        self.carm.tell(scan=True)

    def scan_runs(self) -> None:
        """See ``procedure.Hands``."""
        self.carm.look()

    def scan_over(self) -> None:
        """See ``procedure.Hands``."""
        with contextlib.suppress(HandRefusedError):
            self.carm.answer()

    def touch_check_point(self, touching: bool) -> None:
        """See ``procedure.Hands``."""
        self.room.probe("bead" if touching else "away")

    def release_arm(self) -> None:
        """See ``procedure.Hands``."""
        if self.room.ask(do="status")["arm_mode"] != ArmMode.RUNNING:
            self.room.ask(do="unlock")

    def cement_mixed_at(self) -> Time:
        """A fresh cartridge is set in."""
        self.injector.tell(batch="high", mixed_ago_s=CEMENT_AGE_S)
        self.injector.answer()
        mixed = time.time_ns() - int(CEMENT_AGE_S * 1e9)
        return Time(sec=mixed // 10**9, nanosec=mixed % 10**9)

    def close(self) -> None:
        """Let go of everything."""
        for caller in (self.room, self.carm, self.injector):
            caller.close()
