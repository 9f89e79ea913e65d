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
    """

    name: str
    package: str
    module: str
    parameters: dict[str, Any] = attrs.field(factory=dict)
    lifecycle: bool = True


def bring_up(kind: Kind, run_folder: Path, watch: tuple[str, ...] = ()) -> tuple[NodeSpec, ...]:
    """The nodes in pipeline order: the recorder hears everything, the supervisor speaks last and falls silent first.

    Args:
        watch: nodes whose silence the supervisor takes for a stop.
    """
    supervisor: dict[str, Any] = {"run_folder": str(run_folder)}
    if watch:
        supervisor["watch"] = list(watch)
    return (
        NodeSpec("recorder", "pkp_supervisor", "recorder", {"folder": str(run_folder / "record")}),
        NodeSpec("ct_ingest", "pkp_planning", "ct_ingest", {"received_folder": str(run_folder / "received")}),
        NodeSpec("planner", "pkp_planning", "planner"),
        NodeSpec("supervisor", "pkp_supervisor", "supervisor", supervisor),
    )
