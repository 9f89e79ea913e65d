"""A running bring-up: its processes and what has become of them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node

from pkp_bringup.lifecycle import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, LifecycleClient
from pkp_bringup.nodes import NodeSpec
from pkp_bringup.processes import Child, start
from planning_core.errors import PkpError
from planning_core.running import UP, began

START_S = 30.0
"""A node has so long from its start to being configured; imports are slow on a cold disk."""


class EndedAtStartError(PkpError):
    """A process of the bring-up is gone before the work began. Carries ``name`` and ``status``."""

    code = "ended_at_start"


class Room:
    """Nodes of one run.

    Args:
        node: of this process. environment: for the children. say: hears what happens.
    """

    def __init__(
        self, specs: tuple[NodeSpec, ...], run_folder: Path, node: Node, environment: dict[str, str], say: Callable[[str], None]
    ) -> None:
        self._specs, self._folder, self._say, self._environment = specs, run_folder, say, environment
        self.children: list[Child] = []
        self.clients = LifecycleClient(node, self._alive)

    def start(self) -> None:
        """All processes at once, then each configured and activated in order.

        Raises:
            PkpError: the first node that would not, or device that ended; the others still run, ``end`` ends them.
        """
        for spec in self._specs:
            self.children.append(start(spec, self._folder, self._environment))
        self._note()
        for child in self.children:
            if not child.spec.lifecycle:
                continue
            try:
                self.clients.change(child.spec.name, CONFIGURE, START_S)
                self.clients.change(child.spec.name, ACTIVATE)
            except PkpError as error:
                error.message += f"; the end of its log:\n{child.last_words()}"
                raise
            self._say(f"{child.spec.name} is active")
        for child in self.children:
            if not child.running:
                status = child.process.returncode
                raise EndedAtStartError(
                    f"{child.spec.name} ended as it was started, status {status}; the end of its log:\n{child.last_words()}",
                    name=child.spec.name,
                    status=status,
                )

    def watch(self, seconds: float) -> None:
        """Listen for a while and tell of nodes that ended; none is started again, that is the operator's to decide."""
        self.clients.spin(seconds)
        for child in self.children:
            if not child.running and not child.ended_told:
                child.ended_told = True
                self._say(f"{child.spec.name} ended with status {child.process.returncode}; {child.log}")

    def end(self) -> None:
        """Put to rest in reverse order, whatever they answer; then each is ended by its own id, all at the same time."""
        for child in reversed(self.children):
            if child.running and child.spec.lifecycle:
                with contextlib.suppress(PkpError):
                    if self.clients.state(child.spec.name, 2.0) == "active":
                        self.clients.change(child.spec.name, DEACTIVATE, 5.0)
                    self.clients.change(child.spec.name, CLEANUP, 5.0)
        for child in reversed(self.children):
            child.ask_to_end()
        for child in reversed(self.children):
            child.wait_for_end()
        (self._folder / UP).unlink(missing_ok=True)

    def _alive(self, name: str) -> bool:
        return any(child.running for child in self.children if child.spec.name == name)

    def _note(self) -> None:
        facts = {
            "pid": os.getpid(),
            "began": began(os.getpid()),
            "domain": self._environment["ROS_DOMAIN_ID"],
            "nodes": [_noted(child) for child in self.children],
        }
        unfinished = self._folder / f".part-{UP}"
        unfinished.write_text(json.dumps(facts, indent=1) + "\n")
        unfinished.replace(self._folder / UP)


def _noted(child: Child) -> dict[str, Any]:
    pid = child.process.pid
    return {"name": child.spec.name, "pid": pid, "began": began(pid), "lifecycle": child.spec.lifecycle}
