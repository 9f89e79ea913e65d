"""``./pkp up``: the nodes of a bring-up, in order, until Ctrl-C."""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import rclpy
from rclpy.signals import SignalHandlerOptions

from pkp_bringup.domain import DOMAINS, loopback, own_domain
from pkp_bringup.nodes import KINDS, bring_up
from pkp_bringup.room import Room
from planning_core.errors import PkpError

FAILED_STATUS = 1


def parser() -> argparse.ArgumentParser:
    """The arguments of ``up``."""
    made = argparse.ArgumentParser(prog="pkp up", description="Start the ROS nodes in order; Ctrl-C ends them in reverse.")
    kind = made.add_mutually_exclusive_group()
    for name in KINDS:
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name)
    made.add_argument("--run-folder", type=Path, help="audit chain, record and logs (default: runs/<time>)")
    made.add_argument("--domain", type=int, choices=DOMAINS, metavar="N", help="ROS_DOMAIN_ID, 1–101 (default: a free one)")
    made.add_argument("--watch", nargs="+", default=(), metavar="NODE", help="nodes whose silence stops the procedure")
    made.set_defaults(kind="sim")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    given = parser().parse_args(arguments)
    name = datetime.datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    folder = (given.run_folder or Path("runs") / name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    with ExitStack() as stack:
        environment = loopback(given.domain if given.domain is not None else stack.enter_context(own_domain()))
        os.environ.update(environment)
        os.environ.pop("ROS_LOCALHOST_ONLY", None)  # its successor is set; both together are an error
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        node = rclpy.create_node("pkp_up")
        room = Room(bring_up(given.kind, folder, tuple(given.watch)), folder, node, environment, _say)
        stack.callback(room.end)
        try:
            _say(f"domain {environment['ROS_DOMAIN_ID']}, run {folder}")
            room.start()
            _say("all nodes are active; Ctrl-C ends them")
            while not asked.is_set():
                room.watch(0.2)
        except PkpError as error:
            _say(error.message)
            return FAILED_STATUS
        _say("ending")
    return 0


def _say(words: str) -> None:
    print(f"pkp: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
