"""Play until the process is ended: ``python -m benchmarks.scripted_room --case DIR [--rate HZ] [--phase NAME]``."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

import rclpy
from pkp_lifecycle.executor import quick_executor
from rclpy.signals import SignalHandlerOptions

from benchmarks.scripted_room.room import ScriptedRoom


def main(arguments: list[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--phase", default="")
    given = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    room = ScriptedRoom(given.case.resolve(), given.rate, verbose=True)
    if given.phase:
        room.jump(given.phase)
    executor = quick_executor()
    executor.add_node(room.node)
    print("ready", flush=True)
    while not ended.is_set():
        executor.spin_once(timeout_sec=0.1)
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
