"""The simulated injector as its own process, for tests over a real pseudo-terminal."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> object:
    """The condition's first true value; fails past the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
    raise AssertionError(f"not within {seconds} s: {condition}")


class InjectorProcess:
    """Started by ``start``, ended by its own id."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.link = folder / "injector"
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> InjectorProcess:
        """Run it; returns when its port is there."""
        command = [sys.executable, "-m", "hardware_sim.injector", "--link", str(self.link), "--seed", "3", *self._arguments]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def kill(self) -> None:
        """As a power cut."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def end(self) -> None:
        """As told to."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait(timeout=10)
        self._process.stdout.close()
        self._process = None

    def _ask(self, channel: str, message: object) -> dict[str, object]:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(5)
            peer.connect(f"{self.link}.{channel}")
            peer.sendall(json.dumps(message).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                answer += peer.recv(4096)
        return json.loads(answer)

    def control(self, **message: object) -> dict[str, object]:
        """Say something on the control channel."""
        return self._ask("control", message)

    def truth(self) -> dict[str, float]:
        """What is true now."""
        return self._ask("truth", {})  # type: ignore[return-value]
