"""``./pkp up``: the nodes of a bring-up, in order, until Ctrl-C; with ``--auto`` one whole procedure in the simulated room."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from pkp_bringup.domain import DOMAINS, loopback, own_domain
from pkp_bringup.lifecycle import spin
from pkp_bringup.nodes import KINDS, SimulatedRoom, bring_up
from pkp_bringup.parameter_file import read_parameters
from pkp_bringup.room import Room
from planning_core.errors import InputError, PkpError

if TYPE_CHECKING:
    from pkp_simulation.hands import SimulatedHands
    from pkp_simulation.procedure import Subject

FAILED_STATUS = 1
NOTHING_DONE: dict[str, Any] = {
    "verified": False,
    "true_tip_error_mm": {"entry": None, "target": None},
    **dict.fromkeys(("true_angle_error_deg", "predicted_target_error_mm", "planned_ml", "delivered_ml", "peak_kpa", "seconds")),
    "sides": {},
    "report": None,
    "mcap": [],
}
"""What --json says of a procedure that did not begin."""
POINT = tuple[float, float, float]


class WrongOptionsError(InputError):
    """Options that do not go together. Carries ``option``."""

    code = "wrong_options"


class RunFolderError(InputError):
    """The run folder cannot be made. Carries ``folder``."""

    code = "run_folder"


class InterruptedByUserError(PkpError):
    """Ctrl-C while a procedure was carried out."""

    code = "interrupted"


def parser() -> argparse.ArgumentParser:
    """The arguments of ``up``."""
    made = argparse.ArgumentParser(prog="pkp up", description="Start the ROS nodes in order; Ctrl-C ends them in reverse.")
    kind = made.add_mutually_exclusive_group()
    for name in KINDS:
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name)
    made.add_argument("--run-folder", type=Path, help="audit chain, record, report and logs (default: runs/<time>)")
    made.add_argument("--domain", type=int, choices=DOMAINS, metavar="N", help="ROS_DOMAIN_ID, 1–101 (default: a free one)")
    made.add_argument("--parameters", type=Path, help="YAML file of the nodes' parameters: ports, peers, tools, arm, cement")
    made.add_argument("--case", type=Path, help="planned case whose CT is the simulated patient (default: a made-up patient)")
    made.add_argument("--seed", type=int, default=1, help="of the simulated room and of a made-up patient")
    made.add_argument("--console", action=argparse.BooleanOptionalAction, help="the operator's page (default: but with --auto)")
    made.add_argument("--cases", type=Path, default=Path("cases"), help="of the console: folder of the case folders")
    made.add_argument("--port", type=int, default=8765, help="of the console, on loopback")
    made.add_argument("--auto", action="store_true", help="carry out a whole procedure in the simulated room, then end")
    made.add_argument("--json", action="store_true", help="with --auto: print one JSON object about it")
    made.set_defaults(kind="sim")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    given = parser().parse_args(arguments)
    name = datetime.datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    folder = (given.run_folder or Path("runs") / name).resolve()
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    try:
        _check(given)
        result = _run(given, folder, asked)
    except PkpError as error:
        _say(error.message)
        if given.json:
            print(json.dumps({**NOTHING_DONE, **error.as_dict(), "faults": [error.as_dict()]}, default=str))
        return error.exit_status
    if result is None:
        return 0
    print(json.dumps(result) if given.json else _summary(result))
    return 0 if result["verified"] else FAILED_STATUS


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"no run folder can be made at {folder}: {error.strerror}", folder=str(folder)) from error


def _check(given: argparse.Namespace) -> None:
    if given.kind == "hardware" and (given.auto or given.case is not None):
        raise WrongOptionsError("--auto and --case are for the simulated room: no program decides in a real one", option="--auto")
    if given.seed < 0:
        raise WrongOptionsError(f"--seed {given.seed}: from 0", option="--seed")


def _run(given: argparse.Namespace, folder: Path, asked: threading.Event) -> dict[str, Any] | None:
    parameters = read_parameters(given.parameters) if given.parameters is not None else None
    patient = _planned(given.case) if given.case is not None else None
    _made(folder)  # nothing is left of what was refused
    with ExitStack() as stack:
        environment = loopback(given.domain if given.domain is not None else stack.enter_context(own_domain()))
        subject, simulated = None, None
        if given.kind != "hardware":
            subject, simulated = _patient(given, folder, stack, patient)
            environment["OPENPKP_SIM"] = str(simulated.folder)
        os.environ.update(environment)
        os.environ.pop("ROS_LOCALHOST_ONLY", None)  # its successor is set; both together are an error
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        node = rclpy.create_node("pkp_up")
        console = _console(given)
        words = None if console is None else ("--cases", str(given.cases.resolve()), "--port", str(console))
        specs = bring_up(given.kind, folder, simulated, words, parameters)
        room = Room(specs, folder, node, environment, _say)
        with ExitStack() as running:
            running.callback(room.end)
            _say(f"domain {environment['ROS_DOMAIN_ID']}, run {folder}")
            room.start()
            if console is not None:
                _say(f"console at http://127.0.0.1:{console}/")
            if not given.auto:
                look = _at_the_table(simulated, running)
                _say("all nodes are active; Ctrl-C ends them")
                while not asked.is_set():
                    room.watch(0.2)
                    look()
                _say("ending")
                return None
            assert subject is not None
            assert simulated is not None
            result = _carry_out(subject, simulated, asked)
        return {**result, **_left(folder)}  # the record is whole only after the nodes have ended


def _console(given: argparse.Namespace) -> int | None:
    """The port of the operator's page, None without one; its first users' PINs are shown here, as nobody reads its log."""
    if not (not given.auto if given.console is None else given.console):
        return None
    try:
        from pkp_console.command import free_port, show_first
        from pkp_console.users import PLACE, Users
    except ImportError as error:
        _say(f"no page: the console's libraries are not installed ({error.name}); ./pkp console installs them")
        return None
    users = Users(given.cases.resolve() / PLACE)
    if not users.exists:
        show_first(users.make_first())
    return free_port(given.port)


def _planned(case: Path) -> tuple[Subject, POINT]:
    from pkp_simulation.patients import of_case

    return of_case(case)


def _patient(
    given: argparse.Namespace, folder: Path, stack: ExitStack, planned: tuple[Subject, POINT] | None
) -> tuple[Subject, SimulatedRoom]:
    from pkp_simulation.patients import made_up

    from pkp_bringup.setting import INJECTOR_SPEED, simulated_room

    subject, field = planned or made_up(given.seed, folder)
    speed = INJECTOR_SPEED if given.auto else 1.0
    return subject, stack.enter_context(simulated_room(subject.ct, subject.series, field, given.seed, speed))


def _at_the_table(simulated: SimulatedRoom | None, running: ExitStack) -> Callable[[], None]:
    """Who does what the page has no button for; in a real room those are people."""
    if simulated is None:
        return lambda: None
    from pkp_simulation.team import Team

    hands = _hands(simulated)
    running.callback(hands.close)
    team = Team(hands, _say)
    running.callback(team.end)
    return team.look


def _hands(simulated: SimulatedRoom) -> SimulatedHands:
    from pkp_simulation.hands import SimulatedHands

    return SimulatedHands(simulated.folder, simulated.carm, simulated.folder / "injector.control")


def _carry_out(subject: Subject, simulated: SimulatedRoom, asked: threading.Event) -> dict[str, Any]:
    from pkp_simulation.auto import carry_out_and_compare

    node = rclpy.create_node("operator")
    executor = SingleThreadedExecutor()  # its own: that of the bring-up looks at every node's lifecycle services each time
    executor.add_node(node)

    def listen(seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        done = spin(executor, seconds, lambda: until() or asked.is_set())
        if asked.is_set() and not until():
            raise InterruptedByUserError("interrupted; the arm stands, nothing flows")
        return done

    hands = _hands(simulated)
    try:
        return carry_out_and_compare(node, listen, hands, subject, simulated.folder / "injector.truth", _say)
    finally:
        hands.close()
        executor.shutdown()
        node.destroy_node()


def _left(folder: Path) -> dict[str, Any]:
    """Report and record of the run that has ended."""
    from pkp_supervisor.report import write_report

    try:
        report: str | None = str(write_report(folder))
    except PkpError as error:
        _say(f"no report: {error.message}")
        report = None
    return {"report": report, "mcap": [str(path) for path in sorted((folder / "record").glob("*.mcap"))]}


def _summary(result: dict[str, Any]) -> str:
    lines = [f"{result['level'] or 'no level'}: {'carried out' if result['verified'] else 'NOT carried out'}"]
    for side, facts in result["sides"].items():
        tip = facts.get("true_tip_error_mm")
        where = "" if tip is None else f"true error {tip['entry']:.2f} mm at entry, {tip['target']:.2f} mm at target; "
        dose = "" if "delivered_ml" not in facts else f"{facts['delivered_ml']:.2f} of {facts['planned_ml']:.2f} ml"
        lines.append(f"  {side}: {where}{dose}")
    lines += [f"  stopped: {fault['message']}" for fault in result["faults"]]
    return "\n".join([*lines, f"report: {result['report']}   ({result['seconds']:.0f} s)"])


def _say(words: str) -> None:
    print(f"pkp: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
