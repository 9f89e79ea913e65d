"""A simulated room made ready: a sim folder with ``room.json``, a free port for scans, and what the devices are told."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pkp_bringup.nodes import SimulatedRoom

from hardware_sim.room import RoomSpec
from planning_core.imaging.ingest import load_ct

INJECTOR_SPEED = 5.0
"""Device seconds in a second in an automatic procedure; the highest at which its volume is still right (docs/devices/injector.md)."""


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
    read = load_ct(ct, series or None)
    folder = Path(tempfile.mkdtemp(prefix="pkp-"))  # short: local sockets have at most 107 characters
    try:
        spec = RoomSpec.of(read.hu, read.grid, field_lps_mm, seed=seed, ct=ct.resolve(), series=series or None)
        spec.write(folder)
        yield SimulatedRoom(folder, seed, spec.epoch_s, spec.camera, free_port(), speed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """One on the loopback that nobody listens on now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
