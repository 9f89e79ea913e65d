"""``python -m hardware_sim.tracker``: a simulated Polaris on a pseudo-terminal, or one fault sent to a running one.

Prints one line of JSON with its paths when it is ready; SIGTERM or SIGINT ends it and removes them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from hardware_sim.tracker.channels import FaultChannel
from hardware_sim.tracker.config import CAMERAS
from hardware_sim.tracker.scene import SCENES, scene_by_name
from hardware_sim.tracker.service import TrackerService
from planning_core.errors import PkpError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hardware_sim.tracker", description=__doc__)
    parser.add_argument("--link", type=Path, help="path the serial line appears under")
    parser.add_argument("--control", type=Path, help="path of the fault socket")
    parser.add_argument("--truth", type=Path, help="path of the truth socket (tests only)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scene", default="still", help=f"{', '.join(SCENES)} or package.module:factory")
    parser.add_argument("--camera", choices=sorted(CAMERAS), default="spectra")
    parser.add_argument("--latency-ms", type=float, help="instead of the camera's own")
    parser.add_argument("--epoch", type=float, help="zero of the scene's time on the monotonic clock, s (default: now)")
    parser.add_argument("--fault", metavar="LINE", help="send this line to the device at --control and leave")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the device (or send one fault) and return the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        if given.fault is not None:
            if given.control is None:
                parser.error("--fault needs --control")
            with FaultChannel(given.control) as channel:
                channel.send(given.fault)
            return 0
        if given.link is None:
            parser.error("--link is needed")
        if given.seed < 0:
            parser.error("--seed must not be negative")
        camera = CAMERAS[given.camera]()
        if given.latency_ms is not None:
            camera = type(camera).model_validate({**camera.model_dump(), "latency_ms": given.latency_ms})
        scene = scene_by_name(given.scene)
        service = TrackerService(scene, camera, given.seed, given.link, given.control, given.truth, given.epoch)
    except (PkpError, OSError, ValueError) as refused:
        print(f"hardware_sim.tracker: {refused}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    paths = {"link": given.link, "control": given.control, "truth": given.truth}
    print(json.dumps({name: None if path is None else str(path) for name, path in paths.items()}), flush=True)
    service.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
