"""Children: each started with its own log, ended by its own id, none started twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs
from pkp_lifecycle.priority import give_way, go_first

from pkp_bringup.nodes import NodeSpec

END_S = 5.0


@attrs.define
class Child:
    """A running node.

    Args:
        log: what it writes to standard output and error.
    """

    spec: NodeSpec
    process: subprocess.Popen[bytes]
    log: Path
    ended_told: bool = False

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def ask_to_end(self) -> None:
        """Return at once, so that several end at the same time."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)

    def wait_for_end(self) -> None:
        """Kill it if it does not end as asked."""
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(spec: NodeSpec, run_folder: Path, environment: dict[str, str]) -> Child:
    """Start one node as a process of its own session, so that Ctrl-C reaches it through us, in order."""
    module = f"{spec.package}.{spec.module}"
    if spec.arguments is None:
        words = [module, *_ros_arguments(spec, run_folder)]
    else:
        words = ["pkp_bringup.device", module, *spec.arguments]
    log = run_folder / "log" / f"{spec.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            preexec_fn={"first": go_first, "last": give_way}.get(spec.turn),
            env={**os.environ, **environment, **_enclave(spec), "OPENPKP_PARENT": str(os.getpid())},
        )
    return Child(spec, process, log)


def _enclave(spec: NodeSpec) -> dict[str, str]:
    """With SROS2 switched on, each process has an enclave of its own (docs/safety.md)."""
    on = os.environ.get("ROS_SECURITY_ENABLE") == "true"
    return {"ROS_SECURITY_ENCLAVE_OVERRIDE": f"/{spec.name}"} if on else {}


def _ros_arguments(spec: NodeSpec, run_folder: Path) -> list[str]:
    named = ["--ros-args", "-r", f"__node:={spec.name}"]
    if not spec.parameters:
        return named
    parameters = run_folder / "parameters" / f"{spec.name}.yaml"
    parameters.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML, and quotes what must be quoted
    parameters.write_text(json.dumps({"/**": {"ros__parameters": spec.parameters}}) + "\n")
    return [*named, "--params-file", str(parameters)]
