"""A simulated device as a process: says that it is ready, runs until it is asked to end, closes whatever happens."""

from __future__ import annotations

import signal
from typing import Protocol


class Device(Protocol):
    """What runs."""

    running: bool

    def run(self) -> None:
        """Until ``running`` is false."""

    def close(self) -> None:
        """Let go of lines and sockets."""


def serve(device: Device) -> None:
    """Print ``ready`` and run until SIGTERM or SIGINT."""

    def stop(*_: object) -> None:
        device.running = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print("ready", flush=True)
    try:
        device.run()
    finally:
        device.close()
