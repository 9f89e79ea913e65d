"""The course of one procedure, from its record: phases, stops, registration, positions, deliveries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from pkp_lifecycle import names

from pkp_supervisor.phases import Phase
from pkp_supervisor.record_reader import Recorded, recorded
from planning_core.errors import InputError

RECORD = "record"
MM, ML, KPA = 1e3, 1e6, 1e-3
TOPICS = (names.PHASE, names.SAFETY, names.REGISTRATION, names.VERIFICATION, names.INJECTOR, names.PLAN)


class NothingRecordedError(InputError):
    """The run left no record of a procedure. Carries ``folder``."""

    code = "nothing_recorded"


@attrs.frozen
class Stay:
    """One stay in a phase; times in s since the record's first message."""

    phase: Phase
    side: str
    from_s: float
    until_s: float


@attrs.frozen
class StopMark:
    """One latched stop."""

    at_s: float
    epoch: int
    reason: str


@attrs.frozen(eq=False)
class Curve:
    """Values over time: (n,) s and (n, k)."""

    seconds: NDArray[np.float64]
    values: NDArray[np.float64]


@attrs.frozen
class RegistrationMark:
    """One registration or check; mm. ``bounds_mm``: 95 % at each planned target."""

    at_s: float
    accepted: bool
    check_mm: float
    rms_mm: float
    fiducials: int
    bounds_mm: dict[str, float]
    message: str


@attrs.frozen(eq=False)
class Course:
    """Everything that is told of a procedure.

    Args:
        plan: newest PlanReference's fields; empty strings where none was made.
        position: by side: entry mm, target mm, angle deg, and 1 where VERIFIED.
        delivery: by side: delivered ml, flow ml/min, pressure kPa.
    """

    case_path: str
    plan_hash: str
    level: str
    seconds: float
    stays: tuple[Stay, ...]
    stops: tuple[StopMark, ...]
    registrations: tuple[RegistrationMark, ...]
    position: dict[str, Curve]
    delivery: dict[str, Curve]

    def delivered_ml(self, side: str) -> float:
        """The most the record says was delivered on a side."""
        curve = self.delivery.get(side)
        return 0.0 if curve is None else float(curve.values[:, 0].max())


def read_course(run_folder: Path) -> Course:
    """Read a run's record.

    Raises:
        NothingRecordedError: no message of a procedure is there.
    """
    heard = list(recorded(run_folder / RECORD, TOPICS))
    if not any(one.topic == names.PHASE for one in heard):
        raise NothingRecordedError("the run left no record of a procedure", folder=run_folder.name)
    began = min(one.heard_s for one in heard)
    by_topic: dict[str, list[Recorded]] = {topic: [] for topic in TOPICS}
    for one in heard:
        by_topic[one.topic].append(attrs.evolve(one, heard_s=one.heard_s - began))
    ended = max(one.heard_s for one in heard) - began
    plan = by_topic[names.PLAN][-1].message if by_topic[names.PLAN] else None
    return Course(
        case_path="" if plan is None else plan.case_path,
        plan_hash="" if plan is None else plan.plan_hash,
        level="" if plan is None else plan.level,
        seconds=ended,
        stays=_stays(by_topic[names.PHASE], ended),
        stops=_stops(by_topic[names.SAFETY]),
        registrations=tuple(_registration(one) for one in by_topic[names.REGISTRATION]),
        position=_curves(by_topic[names.VERIFICATION], _position),
        delivery=_curves(by_topic[names.INJECTOR], _delivery),
    )


def _stays(heard: list[Recorded], ended: float) -> tuple[Stay, ...]:
    stays: list[Stay] = []
    for one in heard:
        phase, side = Phase(one.message.phase), one.message.side
        if not stays or (stays[-1].phase, stays[-1].side) != (phase, side):
            if stays:
                stays[-1] = attrs.evolve(stays[-1], until_s=one.heard_s)
            stays.append(Stay(phase, side, one.heard_s, ended))
    return tuple(stays)


def _stops(heard: list[Recorded]) -> tuple[StopMark, ...]:
    seen: dict[int, StopMark] = {}
    for one in heard:
        if one.message.stop_latched:
            seen.setdefault(one.message.epoch, StopMark(one.heard_s, int(one.message.epoch), one.message.reason))
    return tuple(seen.values())


def _registration(one: Recorded) -> RegistrationMark:
    said = one.message
    bounds = {error.side: error.bound_95 * MM for error in said.target_errors}
    return RegistrationMark(
        one.heard_s,
        bool(said.accepted),
        said.check_point_error * MM,
        said.fiducial_rms * MM,
        int(said.fiducials_used),
        bounds,
        said.error_msg,
    )


def _position(said: Any) -> tuple[float, ...] | None:
    row = (said.entry_error * MM, said.target_error * MM, float(np.rad2deg(said.angle_error)), float(said.state == 2))
    return row if said.side and np.isfinite(row).all() else None


def _delivery(said: Any) -> tuple[float, ...] | None:
    row = (said.delivered_volume * ML, said.flow * ML * 60, said.pressure * KPA)
    return row if said.side and np.isfinite(row).all() else None


def _curves(heard: list[Recorded], row: Any) -> dict[str, Curve]:
    by_side: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
    for one in heard:
        values = row(one.message)
        if values is not None:
            by_side.setdefault(one.message.side, []).append((one.heard_s, values))
    return {side: Curve(np.array([t for t, _ in rows]), np.array([v for _, v in rows])) for side, rows in sorted(by_side.items())}
