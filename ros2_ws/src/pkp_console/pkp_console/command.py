"""``./pkp console``: make the users on first start, print the address, serve until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from pkp_console.alarm_log import AlarmLog
from pkp_console.app import make_app
from pkp_console.config import MOST_PORT, BadPortError, ConsoleConfig
from pkp_console.guard import HIDDEN, Desk
from pkp_console.live import LiveStore
from pkp_console.planners import LocalPlanner
from pkp_console.room import EmptyRoom, Room
from pkp_console.users import PLACE, Role, Users
from planning_core.errors import PkpError

BUSY_STATUS = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        config = ConsoleConfig(cases=given.cases, runs=given.runs, port=given.port)
    except ValidationError as error:
        parser.error("; ".join(f"--{'-'.join(map(str, e['loc']))} {e['input']}: {e['msg']}" for e in error.errors()))
    users = Users(config.cases / PLACE)
    try:
        if given.new_pin is not None:
            name, _, role = given.new_pin.partition(":")
            print(f"{name}: one-time PIN {users.set_one_time(name, Role(role) if role else None)}")
            return 0
        if not users.exists:
            show_first(users.make_first())
    except (PkpError, ValueError) as error:
        print(f"pkp: {error}", file=sys.stderr)
        return 2
    listening = _listen(config)
    if listening is None:
        print(f"pkp: port {config.port} is in use: choose another with --port", file=sys.stderr)
        return BUSY_STATUS
    port = listening.getsockname()[1]
    logging.basicConfig(level=logging.WARNING, format="pkp console: %(levelname)s %(name)s: %(message)s")
    live = LiveStore()
    desk = Desk.of(config, users, live, LocalPlanner(config.plan_timeout_s), _room(given.ros, live, config))
    print(f"pkp: console at http://{config.host}:{port}/   (Ctrl-C ends it)", flush=True)
    serving = uvicorn.Config(
        make_app(desk, port), log_level="warning", access_log=False, server_header=False, date_header=False, ws_max_size=4096,
        ws_max_queue=4, ws_per_message_deflate=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    uvicorn.Server(serving).run(sockets=[listening])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pkp console", description="The operator's console, in a browser on this machine.")
    parser.add_argument("--cases", type=Path, default=Path("cases"), help="folder of the case folders (default: cases)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the run folders of ./pkp up (default: runs)")
    parser.add_argument("--port", type=int, default=8765, help="on loopback (0: any that is free)")
    parser.add_argument(
        "--new-pin", metavar="NAME[:ROLE]", help="print a one-time PIN for a user; a role makes a new one; then end"
    )
    ros = parser.add_mutually_exclusive_group()
    ros.add_argument("--ros", action="store_true", default=None, help="be a ROS node or fail (default: where ROS is)")
    ros.add_argument("--no-ros", action="store_false", dest="ros", help="planning only")
    return parser


def show_first(pins: dict[str, str]) -> None:
    """The first users' one-time PINs, for whoever started it."""
    print("pkp: first start. One-time PINs, shown only now; each must be changed at the first sign-in:")
    for name, pin in pins.items():
        print(f"  {name:<10} {pin}")
    sys.stdout.flush()


def free_port(wanted: int) -> int:
    """This port of the loopback if nobody has it, else one that is free.

    Raises:
        BadPortError: it is none.
    """
    if not 0 <= wanted <= MOST_PORT:
        raise BadPortError(
            f"--port {wanted}: ports are numbered 0 to {MOST_PORT}, 0 for any that is free", port=wanted, most=MOST_PORT
        )
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    raise OSError("no port is free")


def _listen(config: ConsoleConfig) -> socket.socket | None:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
        listening.listen()  # who reads the address may come before the server takes anybody
    except OSError:
        listening.close()
        return None
    return listening


def _room(wanted: bool | None, live: LiveStore, config: ConsoleConfig) -> Room:
    if wanted is False:
        return EmptyRoom()
    try:
        from pkp_console.ros_room import RosRoom
    except ImportError:
        if wanted:
            raise
        return EmptyRoom()
    return RosRoom(live, config.service_timeout_s, AlarmLog(config.cases / HIDDEN / "alarms").note)


if __name__ == "__main__":
    raise SystemExit(main())
