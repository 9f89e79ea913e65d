"""``python -m hardware_sim.carm --room FOLDER --control PATH --peer HOST:PORT --ae CARM``: the C-arm as a process of its own."""

from __future__ import annotations

import argparse
import json
import selectors
import sys
import tempfile
from pathlib import Path
from typing import Any

import attrs

from hardware_sim.carm.push import push
from hardware_sim.carm.station import Situation, turn
from hardware_sim.injector.channel import Channel
from hardware_sim.process import serve
from hardware_sim.room import RoomSpec, layout, scan_situation
from planning_core.errors import InputError, PkpError
from planning_core.imaging.ingest import load_ct
from planning_core.registration.plate import load_plate

TRUTH = "carm_truth.json"
IDLE_S = 0.5


@attrs.frozen
class Peer:
    """Who gets the scans."""

    host: str
    port: int
    called: str
    title: str


class CarmProcess:
    """Waits for a word on its control socket, scans the room as it is then, and sends the series.

    Control: ``{"scan": true}``, with ``"abort_after": n`` for a line that fails half way; answered when it is done by
    ``{"ok": true, "instances": n}`` or by the refusal.
    """

    def __init__(self, folder: Path, peer: Peer, control: Path, spacing_mm: float, enhanced: bool) -> None:
        self._enhanced = enhanced
        self._folder, self._peer, self._spacing_mm = folder, peer, (spacing_mm, spacing_mm, spacing_mm)
        self._room = RoomSpec.read(folder)
        self._patient = load_ct(self._room.ct, self._room.series)
        self._plate = load_plate()
        self._selector = selectors.DefaultSelector()
        self._control = Channel(control, self._selector, self._asked)
        self.running = True

    def run(self) -> None:
        """Until told to stop."""
        while self.running:
            for key, _ in self._selector.select(IDLE_S):
                key.data()

    def close(self) -> None:
        """Take the socket away."""
        self._control.close()
        self._selector.close()

    def _asked(self, message: dict[str, Any]) -> dict[str, Any]:
        after = message.get("abort_after")
        if message.get("scan") is not True or not (after is None or (isinstance(after, int) and after > 0)):
            raise InputError('say {"scan": true}, and "abort_after": a positive number if it is to fail', known=["scan"])
        now = self._room.now_s()
        ct, plate, bead_mm, room = scan_situation(self._folder, now)
        stands = layout(room)
        there = Situation.of(ct, plate, bead_mm, stands.world_from_carm)
        made = turn(self._patient, self._plate, there, stands.carm_field_mm, now, room.seed, self._spacing_mm)
        with tempfile.TemporaryDirectory(prefix="openpkp-carm-") as place:
            series = Path(place) / "series"
            made.write_dicom(series, self._enhanced)
            self._witness({**made.record(), "instances": len(list(series.iterdir()))})
            sent = push(series, self._peer.host, self._peer.port, self._peer.title, self._peer.called, after)
        return {"ok": True, "instances": sent}

    def _witness(self, record: dict[str, Any]) -> None:
        part = self._folder / f".part-{TRUTH}"
        part.write_text(json.dumps(record) + "\n")
        part.replace(self._folder / TRUTH)


def main(arguments: list[str] | None = None) -> int:
    """Parse, run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="hardware_sim.carm", description=__doc__)
    parser.add_argument("--room", type=Path, required=True, help="sim folder with room.json")
    parser.add_argument("--control", type=Path, required=True, help="where the control socket appears")
    parser.add_argument("--peer", required=True, help="HOST:PORT that scans are sent to")
    parser.add_argument("--ae", default="CARM", help="its own AE title")
    parser.add_argument("--spacing", type=float, default=0.5, help="of voxels, mm, 0.3 to 3")
    parser.add_argument("--enhanced", action="store_true", help="one Enhanced CT image instead of an image for each slice")
    parser.add_argument("--called", default="OPENPKP", help="the peer's AE title")
    chosen = parser.parse_args(arguments)
    host, colon, port = chosen.peer.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        parser.error(f"--peer {chosen.peer}: HOST:PORT")
    if not 0.3 <= chosen.spacing <= 3:
        parser.error(f"--spacing {chosen.spacing}: 0.3 to 3")
    peer = Peer(host.strip("[]"), int(port), chosen.called, chosen.ae)
    try:
        process = CarmProcess(chosen.room, peer, chosen.control, chosen.spacing, chosen.enhanced)
    except PkpError as error:
        print(f"carm: {error.message}", file=sys.stderr, flush=True)
        return error.exit_status

    serve(process)
    return 0


if __name__ == "__main__":
    sys.exit(main())
