"""A straight path that a person moved: the same numbers as a searched one, with what speaks against it."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.errors import InputError
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.cost import Task, clearance_mm, objections
from planning_core.trajectory.measures import FINE, FLATTEST, Lines, measure_path, measure_pedicle
from planning_core.trajectory.plan import PathKind, Trajectory
from planning_core.trajectory.planner import THROUGH_LUNG, Setting, described
from planning_core.trajectory.remarks import way_remarks


class NoWayThroughError(InputError):
    """A line that does not run forwards through the pedicle. Carries ``entry_mm`` and ``target_mm``."""

    code = "no_way_through"


class CurvedPathError(InputError):
    """A curved path is not moved by hand: its bend follows from the straight way. Carries ``kind``."""

    code = "curved_path"


@attrs.frozen(eq=False)
class MovedPath:
    """What a moved path came to.

    Args:
        trajectory: its numbers; None where lung lies on the way. objections: hard limits it breaks; empty when it may be used.
    """

    trajectory: Trajectory | None
    objections: tuple[str, ...]


def judge_moved(
    setting: Setting,
    corridor: Corridor,
    kind: PathKind,
    diameter_mm: float,
    entry_lps_mm: FloatArray,
    target_lps_mm: FloatArray,
) -> MovedPath:
    """Measure a straight path between two points as finely as the planner does.

    The line is what counts: the entry returned is where it meets bone, the target is its tip.

    Args:
        setting, corridor: of ``planner.prepared``, the corridor of the path's own side. diameter_mm: of the cannula.
        entry_lps_mm, target_lps_mm: (3,) ct_lps mm.

    Raises:
        NoWayThroughError: the line does not run forwards, or its tip does not reach beyond the pedicle.
        CurvedPathError: see there.
    """
    if kind is PathKind.CURVED:
        raise CurvedPathError("a curved path cannot be moved by hand: move the straight path of its side", kind=kind.value)
    from_ct = corridor.to_ct.inverse()
    entry, tip = (corridor.from_frame(from_ct.apply(np.asarray(p, float))) for p in (entry_lps_mm, target_lps_mm))
    lines = _through_gate(corridor, entry, tip)
    if lines is None:
        raise NoWayThroughError(
            "the path must run forwards through the pedicle and end in the body in front of it",
            entry_mm=[round(float(c), 2) for c in entry_lps_mm],
            target_mm=[round(float(c), 2) for c in target_lps_mm],
        )
    task = Task(corridor, kind, tip, (-np.inf, np.inf), diameter_mm / 2, setting.config)
    pedicle = measure_pedicle(corridor, lines, FINE)
    path = measure_path(corridor, lines, setting.config.pathway_mm, FINE, closed=task.guarded)
    clearance = float(clearance_mm(task, pedicle)[0])
    against = tuple(objections(task, pedicle, path))
    margins = (float(path.endplate_mm[0]) - task.radius_mm, float(path.ahead_mm[0]), float(path.canal_mm[0]) - task.radius_mm)
    points = np.vstack([path.entry[0], tip])
    trajectory = described(setting, task, lines, points, clearance, margins, way_remarks(task, path))
    return MovedPath(trajectory, against if trajectory is not None else (*against, THROUGH_LUNG))


def _through_gate(corridor: Corridor, entry: FloatArray, tip: FloatArray) -> Lines | None:
    """The line with its gate half way along the pedicle, where the measures want it; None where it does not go that way."""
    length = float(np.linalg.norm(tip - entry))
    if not np.isfinite(length) or length < 1.0:
        return None
    direction = (tip - entry) / length
    behind = corridor.behind_wall(np.stack([tip, tip + direction]))
    slope = float(behind[1] - behind[0])
    if slope > -FLATTEST:
        return None
    to_gate = (corridor.pedicle_end_mm / 2 - float(behind[0])) / slope
    if to_gate > -1.0:
        return None
    return Lines((tip + to_gate * direction)[None], tip[None])
