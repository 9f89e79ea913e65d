"""A simulated room made ready: a sim folder with ``room.json``, a free port for scans, and what the devices are told.

``python -m pkp_bringup.setting --case DIR`` leaves one for a launch file and prints its folder.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hardware_sim.room import RoomSpec
from pkp_bringup.nodes import SimulatedRoom
from planning_core.errors import PkpError
from planning_core.imaging.ingest import load_ct

INJECTOR_SPEED = 10.0
"""Device seconds in a second in an automatic procedure; its volume is right up to 20 (docs/devices/injector.md)."""


@contextmanager
def simulated_room(
    ct: Path, series: str, field_lps_mm: tuple[float, float, float], seed: int, speed: float = 1.0
) -> Iterator[SimulatedRoom]:
    """A room in which the patient of a CT lies; its folder goes when it is left.

    Args:
        field_lps_mm: point of the CT, ct_lps mm, that lies in the surgical field. speed: of the injector.

    Raises:
        InputError: the CT cannot be read, or the point is not in it.
    """
    room = make_ready(ct, series, field_lps_mm, seed, speed)
    try:
        yield room
    finally:
        shutil.rmtree(room.folder, ignore_errors=True)


def make_ready(ct: Path, series: str, field_lps_mm: tuple[float, float, float], seed: int, speed: float = 1.0) -> SimulatedRoom:
    """As ``simulated_room``; whoever asks for it takes its folder away."""
    read = load_ct(ct, series or None)
    spec = RoomSpec.of(read.hu, read.grid, field_lps_mm, seed=seed, ct=ct.resolve(), series=series or None)
    folder = Path(tempfile.mkdtemp(prefix="pkp-"))  # short: local sockets have at most 107 characters
    spec.write(folder)
    return SimulatedRoom(folder, seed, spec.epoch_s, spec.camera, free_port(), speed)


def free_port() -> int:
    """One on the loopback that nobody listens on now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a room ready for ``ros2 launch pkp_bringup sim.launch.py sim_folder:=…``."""
    from pkp_simulation.patients import made_up, of_case

    parser = argparse.ArgumentParser(prog="python -m pkp_bringup.setting", description=__doc__)
    parser.add_argument("--case", type=Path, help="planned case whose CT is the patient (default: a made-up one)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        subject, field = made_up(given.seed, Path(tempfile.mkdtemp(prefix="pkp-"))) if given.case is None else of_case(given.case)
        room = make_ready(subject.ct, subject.series, field, given.seed)
    except PkpError as error:
        print(f"pkp: {error.message}", file=sys.stderr)
        return error.exit_status
    room.write()
    print(room.folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
