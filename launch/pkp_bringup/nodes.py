"""Which processes a bring-up has, in the order they come up; ``./pkp up`` and the launch files both read this."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import attrs

from pkp_bringup.parameter_file import Parameters, with_parameters
from planning_core.errors import InputError

Kind = Literal["sim", "gazebo", "hardware"]
KINDS: tuple[Kind, ...] = ("sim", "gazebo", "hardware")
TRACKER_PORT, INJECTOR_PORT = "/dev/ttyUSB0", "/dev/ttyUSB1"
"""Serial lines of the devices in a hospital where no parameter names others (assumed)."""
CARM = "CARM"
MARKER_MM = {"spectra": (0.07, 0.07, 0.22), "vega": (0.035, 0.035, 0.11)}
"""One marker's sigma along the camera's x, y and depth: 0.25 and 0.12 mm together (FACTS 1), split assumed."""
CALIBRATED = 0.95
"""Share of a camera's constant error that neighbouring markers share where tools sit as they are drawn, as simulated ones do."""
DEVICES = "devices.json"
PATIENCE = {
    "arm": {"permit_s": 0.25, "joints_stale_s": 0.25, "pose_stale_s": 0.25},
    "injector": {"permit_s": 0.25, "timeout_s": 0.1, "oldest_s": 0.2, "blind_s": 0.25, "watchdog_s": 0.5},
    "supervisor": {"watch_limit_s": 0.5},
    "tracker": {"stale_after_s": 0.25, "max_age_s": 0.25},
    "verification": {"fresh_s": 0.2},
}
"""A simulated room shares its processors with everything that it simulates, and a virtual machine takes them away for a tenth of
a second now and then; on hardware the nodes' own, shorter limits hold."""


class NoRoomError(InputError):
    """A folder in which no simulated room was made ready. Carries ``folder``."""

    code = "no_room"


@attrs.frozen
class NodeSpec:
    """One process.

    Args:
        name: of the node. package, module: what ``python -m package.module`` runs.
        parameters: of the node; checked by itself at its start.
        lifecycle: it is configured and activated in turn; a simulated device is not.
        arguments: of a simulated device that is no node; it gets these words instead of ROS arguments.
        turn: whom it goes before on the processors that all share.
    """

    name: str
    package: str
    module: str
    parameters: dict[str, Any] = attrs.field(factory=dict)
    lifecycle: bool = True
    arguments: tuple[str, ...] | None = None
    turn: Literal["first", "ordinary", "last"] = "ordinary"


@attrs.frozen
class SimulatedRoom:
    """Where the simulated devices of a room offer their lines, and what they are.

    Args:
        folder: short, since it holds local sockets; ``room.json`` lies in it. seed: of the devices.
        epoch_s: zero of the room's time on the monotonic clock. camera: of the tracker.
        dicom_port: on which scans are received; 0 without C-arm.
        injector_speed: device seconds in a second. cement_age_s: since mixing, as the injector comes up.
    """

    folder: Path
    seed: int = 1
    epoch_s: float = 0.0
    camera: str = "spectra"
    dicom_port: int = 0
    injector_speed: float = 1.0
    cement_age_s: float = 240.0

    def write(self) -> Path:
        """Into its own folder, for a launch file that is started later."""
        place = self.folder / DEVICES
        place.write_text(json.dumps(attrs.asdict(self, filter=lambda field, _: field.name != "folder"), indent=1) + "\n")
        return place

    @classmethod
    def read(cls, folder: Path) -> SimulatedRoom:
        """As it was written.

        Raises:
            NoRoomError: nothing usable was.
        """
        try:
            return cls(folder.resolve(), **json.loads((folder / DEVICES).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise NoRoomError(f"no simulated room was made ready in {folder}: {error}", folder=str(folder)) from error

    @property
    def tracker(self) -> Path:
        """The simulated tracker's serial line; its faults are at ``tracker.control``."""
        return self.folder / "tracker"

    @property
    def injector(self) -> Path:
        """The simulated injector's serial line; its faults are at ``injector.control``."""
        return self.folder / "injector"

    @property
    def carm(self) -> Path:
        """Where the C-arm is told to scan."""
        return self.folder / "carm.control"


def bring_up(
    kind: Kind,
    run_folder: Path,
    room: SimulatedRoom | None = None,
    console: tuple[str, ...] | None = None,
    parameters: Parameters | None = None,
) -> tuple[NodeSpec, ...]:
    """Simulated devices first, then the nodes in pipeline order: the recorder hears everything, the supervisor speaks last and
    falls silent first.

    Args:
        room: of the simulated devices; where there is none they are not started.
        console: words of the operator's console; None: without it.
        parameters: in place of the bring-up's own.

    Raises:
        ParameterFileError: parameters for a node that is not there.
    """
    devices = () if room is None or kind == "hardware" else simulated_devices(kind, room)
    page = () if console is None else (operators_console(run_folder, console),)
    return with_parameters((*devices, *nodes(kind, run_folder, room), *page), parameters or {})


def operators_console(run_folder: Path, words: tuple[str, ...] = ()) -> NodeSpec:
    """The page, which is no part of the procedure: it comes last, ends first, and the room goes on without it."""
    return _device("console", "pkp_console", "command", "--ros", "--runs", run_folder.parent, *words)


def simulated_devices(kind: Kind, room: SimulatedRoom) -> tuple[NodeSpec, ...]:
    """Processes at the far end of each wire."""
    folder = room.folder
    tracker = ("--link", room.tracker, "--control", f"{room.tracker}.control", "--scene", "hardware_sim.room.scene:scene")
    tracker = (*tracker, "--seed", room.seed, "--camera", room.camera, "--epoch", room.epoch_s)
    injector = ("--link", room.injector, "--seed", room.seed, "--speed", room.injector_speed, "--mixed-ago", room.cement_age_s)
    arm = "arm_mirror" if kind == "gazebo" else "arm_controller"  # in Gazebo's room the arm is Gazebo's: its joints are followed
    specs = [
        NodeSpec("arm_sim", "pkp_simulation", arm, {"sim_folder": str(folder), "truth_hz": 10.0}, lifecycle=False, turn="first"),
        attrs.evolve(_device("tracker_sim", "hardware_sim", "tracker", *tracker), turn="first"),
        attrs.evolve(_device("injector_sim", "hardware_sim", "injector", *injector), turn="first"),
    ]
    if room.dicom_port:
        peer = f"127.0.0.1:{room.dicom_port}"
        scanner = ("--room", folder, "--control", room.carm, "--peer", peer, "--ae", CARM, "--enhanced")
        carm = _device("carm_sim", "hardware_sim", "carm", *scanner)
        specs.append(attrs.evolve(carm, turn="last"))  # it reckons a whole scan on processors that a real one does not share
    return tuple(specs)


def nodes(kind: Kind, run_folder: Path, room: SimulatedRoom | None) -> tuple[NodeSpec, ...]:
    """The lifecycle nodes; the same on hardware but for where their lines are."""
    simulated = kind != "hardware"
    folder = room.folder if room is not None else run_folder / "sim"
    patience = PATIENCE if simulated else {}
    supervisor: dict[str, Any] = {"run_folder": str(run_folder), **patience.get("supervisor", {})}
    ingest: dict[str, Any] = {"received_folder": str(run_folder / "received")}
    if room is not None and room.dicom_port:
        ingest |= {"dicom_port": room.dicom_port, "peers": [f"{CARM}@127.0.0.1"]}
    # simulated spheres sit where they are drawn: calibrated tools, where the default allows for ones that are not
    calibrated = {"marker_mm": [0.03, 0.03, 0.03]} if simulated else {}
    tracker = str(folder / "tracker") if simulated else TRACKER_PORT
    injector = str(folder / "injector") if simulated else INJECTOR_PORT
    registration = {"marker_error_mm": list(MARKER_MM[room.camera]), "shared_share": CALIBRATED} if room is not None else {}
    return (
        NodeSpec("recorder", "pkp_supervisor", "recorder", {"folder": str(run_folder / "record")}),
        NodeSpec("ct_ingest", "pkp_planning", "ct_ingest", ingest),
        NodeSpec("planner", "pkp_planning", "planner"),
        NodeSpec("tracker", "pkp_navigation", "tracker", {"port": tracker, **patience.get("tracker", {})}),
        NodeSpec("registration", "pkp_navigation", "registration", registration),
        NodeSpec("arm", "pkp_control", "arm", patience.get("arm", {})),
        NodeSpec("verification", "pkp_control", "verification", {**calibrated, **patience.get("verification", {})}),
        NodeSpec(
            "injector",
            "pkp_control",
            "injector",
            {"port": injector, "journal_folder": str(run_folder), **patience.get("injector", {})},
        ),
        NodeSpec("supervisor", "pkp_supervisor", "supervisor", supervisor),
    )


def _device(name: str, package: str, module: str, *arguments: object) -> NodeSpec:
    return NodeSpec(name, package, module, lifecycle=False, arguments=tuple(str(a) for a in arguments))
