"""Which nodes a bring-up has, in the order they come up; ``./pkp up`` and the launch files both read this."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import attrs

Kind = Literal["sim", "hardware"]
KINDS: tuple[Kind, ...] = ("sim", "hardware")


@attrs.frozen
class NodeSpec:
    """One process.

    Args:
        name: of the node. package, module: what ``python -m package.module`` runs.
        parameters: of the node; checked by itself at its start.
        lifecycle: it is configured and activated in turn; a simulated device is not.
        arguments: of its command line. A process that has some is no ROS node and gets neither name nor parameters.
        environment: variables of its own.
    """

    name: str
    package: str
    module: str
    parameters: dict[str, Any] = attrs.field(factory=dict)
    lifecycle: bool = True
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class SimSpec:
    """The simulated devices of one room.

    Args:
        folder: with ``room.json`` (hardware_sim.room.RoomSpec), in which they meet; its path is short, sockets lie in it.
        epoch_s, seed, camera: as in that file.
        injector_speed: device seconds per second. cement, mixed_ago_s: what is in the barrel, and how old it is at the start.
    """

    folder: Path
    epoch_s: float
    seed: int = 1
    camera: str = "spectra"
    injector_speed: float = 1.0
    cement: str = "high"
    mixed_ago_s: float = 240.0

    @property
    def tracker_port(self) -> Path:
        """Where the camera's serial line appears."""
        return self.folder / "tracker"

    @property
    def injector_port(self) -> Path:
        """Where the injector's serial line appears."""
        return self.folder / "injector"


def devices(sim: SimSpec) -> tuple[NodeSpec, ...]:
    """The simulated devices, each a process of its own; fault sockets beside their lines, none of a node's business."""
    tracker = [
        "--link",
        str(sim.tracker_port),
        "--control",
        f"{sim.tracker_port}.control",
        "--truth",
        f"{sim.tracker_port}.truth",
    ]
    tracker += ["--scene", "hardware_sim.room.scene:scene", "--epoch", repr(sim.epoch_s), "--seed", str(sim.seed)]
    injector = ["--link", str(sim.injector_port), "--seed", str(sim.seed), "--speed", str(sim.injector_speed)]
    injector += ["--cement-class", sim.cement, "--mixed-ago", str(sim.mixed_ago_s)]
    where = {"OPENPKP_SIM": str(sim.folder)}
    return (
        NodeSpec("arm_sim", "pkp_simulation", "arm_controller", {"sim_folder": str(sim.folder)}, lifecycle=False),
        NodeSpec(
            "tracker_sim",
            "hardware_sim.tracker",
            "__main__",
            lifecycle=False,
            arguments=(*tracker, "--camera", sim.camera),
            environment=where,
        ),
        NodeSpec("injector_sim", "hardware_sim.injector", "__main__", lifecycle=False, arguments=tuple(injector)),
    )


def bring_up(kind: Kind, run_folder: Path, watch: tuple[str, ...] = (), sim: SimSpec | None = None) -> tuple[NodeSpec, ...]:
    """The nodes in pipeline order: the recorder hears everything, the supervisor speaks last and falls silent first.

    Args:
        watch: nodes whose silence the supervisor takes for a stop.
        sim: the simulated devices, started before all nodes and ended after them; of kind "sim" alone.
    """
    if sim is not None and kind != "sim":
        raise ValueError(f"simulated devices in a bring-up of {kind}")
    supervisor: dict[str, Any] = {"run_folder": str(run_folder)}
    if watch:
        supervisor["watch"] = list(watch)
    return (
        *(() if sim is None else devices(sim)),
        NodeSpec("recorder", "pkp_supervisor", "recorder", {"folder": str(run_folder / "record")}),
        NodeSpec("ct_ingest", "pkp_planning", "ct_ingest"),
        NodeSpec("planner", "pkp_planning", "planner"),
        NodeSpec("supervisor", "pkp_supervisor", "supervisor", supervisor),
    )
