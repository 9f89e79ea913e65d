"""``./pkp status``: nodes, lifecycle states, rates and ages of a running bring-up."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT
from pkp_msgs.msg import Heartbeat, SafetyState

from pkp_bringup.domain import loopback
from pkp_bringup.lifecycle import LifecycleClient
from planning_core.errors import InputError, PkpError
from planning_core.running import running_note, still_runs

LISTEN_S = 4.0
"""At most; as soon as all were heard it is enough."""


class NothingRunsError(InputError):
    """No bring-up is running where it was looked for."""

    code = "nothing_runs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="pkp status", description="Nodes, lifecycle states, rates and ages.")
    parser.add_argument("--run-folder", type=Path, help="default: the newest in runs/")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        facts = status(running(given.run_folder))
    except PkpError as error:
        if given.json:
            print(json.dumps(error.as_dict(), default=str))
        print(f"pkp: {error.message}", file=sys.stderr)
        return error.exit_status
    print(json.dumps(facts) if given.json else table(facts))
    return 0


def running(folder: Path | None) -> dict[str, Any]:
    """What ``up`` noted of itself.

    Raises:
        NothingRunsError: there is no such note, or its process is gone.
    """
    places = [folder] if folder is not None else sorted(Path("runs").glob("*"), reverse=True)
    for place in places:
        facts = running_note(place)
        if facts is not None:
            return facts
    raise NothingRunsError("no ./pkp up is running here")


def status(note: dict[str, Any]) -> dict[str, Any]:
    """Ask and listen; one entry for each node, and the supervisor's word."""
    os.environ.update(loopback(int(note["domain"])))
    rclpy.init()
    node = rclpy.create_node("pkp_status")
    heard: dict[str, list[tuple[float, Heartbeat]]] = {}
    safety: list[SafetyState] = []
    node.create_subscription(
        Heartbeat, names.HEARTBEAT, lambda m: heard.setdefault(m.node.rsplit("/", 1)[-1], []).append((time.monotonic(), m)), 50
    )
    node.create_subscription(SafetyState, names.SAFETY, safety.append, KEPT)
    client = LifecycleClient(node)
    expected = [entry["name"] for entry in note["nodes"] if entry["lifecycle"] and still_runs(entry)]
    client.spin(LISTEN_S, lambda: bool(safety) and all(len(heard.get(name, ())) > 5 for name in expected))
    nodes = []
    for entry in note["nodes"]:
        beats = heard.get(entry["name"], [])
        alive = still_runs(entry)
        facts = {"name": entry["name"], "pid": entry["pid"], "state": "ended", "rate_hz": None, "age_ms": None, "detail": ""}
        if alive:
            facts["state"] = _state(client, entry["name"]) if entry["lifecycle"] else "running"
        if beats:
            last, first = beats[-1], beats[0]
            facts["age_ms"] = round((time.monotonic() - last[0]) * 1e3, 1)
            facts["detail"] = last[1].detail
            if last[0] > first[0]:
                facts["rate_hz"] = round((last[1].count - first[1].count) / (last[0] - first[0]), 1)
        nodes.append(facts)
    rclpy.shutdown()
    word = None
    if safety:
        last_word = safety[-1]
        word = {
            "stop_latched": last_word.stop_latched,
            "epoch": last_word.epoch,
            "reason": last_word.reason,
            "motion_permitted": last_word.motion_permitted,
            "flow_permitted": last_word.flow_permitted,
        }
    return {"domain": int(note["domain"]), "nodes": nodes, "safety": word}


def table(facts: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{'node':<14}{'pid':>8}  {'state':<14}{'rate':>8}{'age':>10}  "]
    for node in facts["nodes"]:
        rate = "–" if node["rate_hz"] is None else f"{node['rate_hz']:.0f} Hz"
        age = "–" if node["age_ms"] is None else f"{node['age_ms']:.0f} ms"
        lines.append(f"{node['name']:<14}{node['pid']:>8}  {node['state']:<14}{rate:>8}{age:>10}  {node['detail']}".rstrip())
    safety = facts["safety"]
    if safety is None:
        lines.append("the supervisor is not heard: nothing moves")
    elif safety["stop_latched"]:
        lines.append(f"STOPPED (stop {safety['epoch']}): {safety['reason']}")
    else:
        may = [name for name in ("motion", "flow") if safety[f"{name}_permitted"]]
        lines.append(f"no stop; permitted: {' and '.join(may) or 'nothing'}")
    return "\n".join(lines)


def _state(client: LifecycleClient, name: str) -> str:
    try:
        return client.state(name, 1.0)
    except PkpError:
        return "silent"


if __name__ == "__main__":
    raise SystemExit(main())
