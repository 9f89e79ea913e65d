"""A recorded procedure, made ready to be looked at at any moment: the same snapshot as of a live room, for a time."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from pkp_lifecycle import names
from pkp_supervisor.course import Course, Curve, read_course
from pkp_supervisor.phases import Phase
from pkp_supervisor.record_reader import recorded

from pkp_console.frames import STATIC, Frames
from pkp_console.limits import limits_of
from pkp_console.plain import plain
from planning_core.case.revisions import open_plan
from planning_core.errors import PkpError

STEP_S = 0.1
"""Between two readings of one topic that are kept: twice as fine as a hand on a time bar."""
MOST_POINTS = 1200
RECORD = "record"
SHOWN = {
    names.PHASE: "phase",
    names.SAFETY: "safety",
    names.VERIFICATION: "verification",
    names.INJECTOR: "injector",
    names.REGISTRATION: "registration",
    names.ARM_STATE: "arm_state",
    names.INJECTOR_STATE: "injector_state",
    names.RECORDER: "recorder",
    names.PLAN: "plan",
    names.CT: "ct",
    names.TOOLS: "tools",
}
TREES = ("/tf", "/tf_static")
Tell = Callable[[str], None]


@attrs.frozen
class Replay:
    """One record.

    Args:
        topics: name → (seconds since the start, values as JSON). frames: child → (seconds, [parent, pose…]); static ones at -1.
        course: what is shown beside the time bar. description: the room's URDF.
    """

    topics: dict[str, tuple[list[float], list[str]]]
    frames: dict[str, tuple[list[float], list[list[Any]]]]
    course: dict[str, Any]
    description: str

    def at(self, seconds: float) -> str:
        """The snapshot of that moment, as JSON."""
        parts = []
        for name, (times, texts) in self.topics.items():
            n = bisect.bisect_right(times, seconds)
            if n:
                age_ms = round((seconds - times[n - 1]) * 1000)
                parts.append(f'{json.dumps(name)}:{{"value":{texts[n - 1]},"age_ms":{age_ms},"count":{n}}}')
        frames = {}
        for child, (times, poses) in self.frames.items():
            n = bisect.bisect_right(times, seconds)
            if n:
                static = times[n - 1] == STATIC
                frames[child] = [*poses[n - 1], -1 if static else round((seconds - times[n - 1]) * 1000)]
        rest = json.dumps({"replay": seconds, "frames": frames, "room": {"ros": False, "supervised": False}})
        return f'{{"topics":{{{",".join(parts)}}},{rest[1:]}'

    def write(self, place: Path) -> None:
        """Into a file of the console's own."""
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_suffix(".part")
        unfinished.write_text(json.dumps(attrs.asdict(self)))
        unfinished.replace(place)

    @classmethod
    def read(cls, place: Path) -> Replay:
        """As it was written."""
        return cls(**json.loads(place.read_text()))


def make_replay(run_folder: Path, tell: Tell = lambda stage: None) -> Replay:
    """Read a run's record.

    Raises:
        NothingRecordedError: no message of a procedure is there.
    """
    tell("course")
    course = read_course(run_folder)
    tell("record")
    apart = dict.fromkeys(SHOWN, STEP_S)
    wanted = (*SHOWN, *TREES, names.ROBOT_DESCRIPTION)
    topics: dict[str, tuple[list[float], list[str]]] = {}
    frames: dict[str, tuple[list[float], list[list[Any]]]] = {}
    began, description = None, ""
    for one in recorded(run_folder / RECORD, wanted, apart):
        began = one.heard_s if began is None else began
        seconds = round(one.heard_s - began, 3)
        if one.topic == names.ROBOT_DESCRIPTION:
            description = one.message.data
        elif one.topic in TREES:
            _keep_frames(frames, one.message, seconds, one.topic == TREES[1])
        else:
            times, texts = topics.setdefault(SHOWN[one.topic], ([], []))
            times.append(seconds)
            texts.append(json.dumps(plain(one.message)))
    topics["limits"] = ([0.0], [json.dumps(limits_of(_plan_of(course)).shown())])
    return Replay(topics, frames, shown_course(course), description)


def _keep_frames(frames: dict[str, tuple[list[float], list[list[Any]]]], message: Any, seconds: float, static: bool) -> None:
    one_by_one = Frames()
    one_by_one.put(message.transforms, seconds, static)
    for child, (*pose, _) in one_by_one.shown(seconds).items():
        times, poses = frames.setdefault(child, ([], []))
        if static:
            times[:], poses[:] = [STATIC], [pose]
        elif not times or seconds - times[-1] >= STEP_S:
            times.append(seconds)
            poses.append(pose)


def _plan_of(course: Course) -> Any:
    try:
        return open_plan(Path(course.case_path), course.plan_hash) if course.case_path else None
    except PkpError:
        return None


def shown_course(course: Course) -> dict[str, Any]:
    """The course as the page draws it."""
    return {
        "case_path": Path(course.case_path).name if course.case_path else "",
        "plan_hash": course.plan_hash,
        "level": course.level,
        "seconds": course.seconds,
        "finished": any(stay.phase is Phase.REPORT for stay in course.stays),
        "stays": [{"phase": int(s.phase), "side": s.side, "from": s.from_s, "until": s.until_s} for s in course.stays],
        "stops": [attrs.asdict(stop) for stop in course.stops],
        "registrations": [plain_values(attrs.asdict(mark)) for mark in course.registrations],
        "position": {side: _curve(curve) for side, curve in course.position.items()},
        "delivery": {side: _curve(curve) for side, curve in course.delivery.items()},
        "delivered_ml": {side: course.delivered_ml(side) for side in course.delivery},
    }


def plain_values(facts: dict[str, Any]) -> dict[str, Any]:
    """Numbers that are none become None."""
    return {k: (None if isinstance(v, float) and v != v else v) for k, v in facts.items()}


def _curve(curve: Curve) -> dict[str, Any]:
    every = max(1, len(curve.seconds) // MOST_POINTS)
    values = [[None if v != v else round(float(v), 4) for v in row] for row in curve.values[::every]]
    return {"seconds": [round(float(s), 2) for s in curve.seconds[::every]], "values": values}
