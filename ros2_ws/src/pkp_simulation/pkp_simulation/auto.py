"""``./pkp up --sim --auto``: one whole procedure in the simulated room, and one JSON object about it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from pkp_control.compensation.goal import PATIENT
from pkp_control.dose import share_ml
from pkp_control.planned_path import CT, path_of, planned_goal
from pkp_lifecycle.polled import unspun
from pkp_msgs import msg
from rclpy.node import Node

from pkp_simulation.operator import Operator, Spin
from pkp_simulation.procedure import Done, Hands, Subject, carry_out
from pkp_simulation.witness import TipError, Witness
from planning_core.case.revisions import open_plan
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

TRUTH_S = 10.0
LEAST_ML = 0.1


@attrs.frozen
class Truth:
    """What was true when one side's pin went in: the guide against the plan, and the registration at the target."""

    tip: TipError
    registration_mm: float
    predicted_mm: float


def carry_out_and_compare(
    node: Node, spin: Spin, hands: Hands, subject: Subject, injector_truth: Path, say: Callable[[str], None] = lambda words: None
) -> dict[str, Any]:
    """Carry a procedure through; what comes back says how far it came, whatever the end was."""
    began = time.monotonic()
    loop = unspun("witness")
    operator, witness = Operator(node, spin), Witness(loop, injector_truth)
    done, truths = Done(), dict[str, Truth]()

    def inserted(side: str) -> None:
        truths[side] = _compare(witness, done, side)

    error: PkpError | None = None
    try:
        operator.wait("the simulated room's truth", witness.ready(), TRUTH_S)
        carry_out(operator, hands, subject, done, doses_ml, inserted)
    except PkpError as refusal:
        error = refusal
        say(refusal.message)
    finally:
        operator.close()
        loop.destroy_node()
    return {
        **_facts(done, truths, witness.delivered_ml() if done.sides else None, error),
        "seconds": round(time.monotonic() - began, 2),
    }


def doses_ml(reference: msg.PlanReference) -> dict[str, float]:
    """Liquid for each side of a plan, nothing where the level needs none."""
    plan = open_plan(Path(reference.case_path), reference.plan_hash)
    sides = list(reference.sides)
    if plan.recommended_ml < LEAST_ML:
        return dict.fromkeys(sides, 0.0)
    return {side: share_ml(plan.recommended_ml, sides, side) for side in sides}


def _compare(witness: Witness, done: Done, side: str) -> Truth:
    plan = open_plan(Path(done.plan.case_path), done.plan.plan_hash)
    path = path_of(plan, side)
    entry, target = np.array(path.entry_mm), np.array(path.target_mm)
    depth_mm = planned_goal(plan, side, RigidTransform(PATIENT, CT, np.eye(4))).entry_mm
    assert done.registration is not None
    predicted = next(e.bound_95 for e in done.registration.target_errors if e.side == side)
    return Truth(
        witness.tip_error(entry, target, depth_mm),
        witness.registration_error_mm(done.registration, target),
        predicted * 1e3,
    )


def _facts(done: Done, truths: dict[str, Truth], true_ml: float | None, error: PkpError | None) -> dict[str, Any]:
    sides = {
        one.side: {
            "measured_mm": {"entry": _r(one.entry_mm), "target": _r(one.target_mm)},
            "planned_ml": _r(one.planned_ml, 4),
            "delivered_ml": _r(one.delivered_ml, 4),
            "peak_kpa": _r(one.peak_kpa, 1),
        }
        for one in done.sides
    }
    for side, truth in truths.items():
        sides.setdefault(side, {}).update(
            true_tip_error_mm={"entry": _r(truth.tip.entry_mm), "target": _r(truth.tip.target_mm)},
            true_angle_error_deg=_r(truth.tip.angle_deg),
            true_registration_error_mm=_r(truth.registration_mm),
            predicted_target_error_mm=_r(truth.predicted_mm),
        )
    worst = {
        "entry": _worst(t.tip.entry_mm for t in truths.values()),
        "target": _worst(t.tip.target_mm for t in truths.values()),
    }
    given = sum(one.delivered_ml for one in done.sides)
    return {
        "verified": done.reported and len(truths) == len(done.plan.sides),
        "true_tip_error_mm": worst,
        "true_angle_error_deg": _worst(t.tip.angle_deg for t in truths.values()),
        "predicted_target_error_mm": _worst(t.predicted_mm for t in truths.values()),
        "planned_ml": _r(sum(one.planned_ml for one in done.sides), 4),
        "delivered_ml": _r(given, 4),
        "true_delivered_ml": None if true_ml is None else _r(true_ml, 4),
        "peak_kpa": _worst((one.peak_kpa for one in done.sides), 1),
        "level": done.plan.level,
        "plan_hash": done.plan.plan_hash,
        "verdict": done.verdict,
        "sides": sides,
        "faults": [e.as_dict() for e in (*done.stops, *([] if error is None else [error]))],
    }


def _r(value: float, digits: int = 3) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _worst(values: Any, digits: int = 3) -> float | None:
    known = list(values)
    return _r(max(known), digits) if known else None
