"""Moved paths judged at once: a process per open case keeps CT and distance fields warm and answers in tens of milliseconds."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from pkp_console.asked import Asked, require_own
from pkp_console.refusals import BusyError, NotPlannedHereError
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.vertebra import Side
from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.inputs import require_held
from planning_core.case.moved import path_of, revised
from planning_core.case.plan import path_record
from planning_core.case.revisions import keep, newest, open_plan
from planning_core.errors import PkpError
from planning_core.pipeline import NEIGHBOURS, read, segment
from planning_core.request import Request
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.moved import judge_moved
from planning_core.trajectory.plan import PathKind
from planning_core.trajectory.planner import Setting, prepared

ANSWER_S = 10.0
READY_S = 120.0
END_S = 2.0
BEHIND = 10
"""Niceness: a room that is at work has the processors first."""


@attrs.frozen
class Ground:
    """What the process needs to know of the case: the CT, and the request that its plan was made with."""

    case_path: str
    source: str
    series: str | None


@attrs.frozen
class Move:
    """A path with its ends put elsewhere; points in ct_lps mm. ``keep`` makes a revision of it, in the name of ``by``."""

    plan_hash: str
    side: str
    kind: str
    entry_mm: tuple[float, float, float]
    target_mm: tuple[float, float, float]
    keep: bool = False
    by: str = ""


class RefusedMoveError(PkpError):
    """A refusal inside the process, by its own name. Carries ``refused``: as ``PkpError.as_dict``."""

    code = "refused"


class Bench:
    """Inside the process: one case, modelled once.

    Args:
        plan_hash: of the plan that came of the numbering it is modelled on; paths of that plan and of its revisions are judged.
        setting, corridors: of ``trajectory.planner.prepared`` for ``level``.
    """

    def __init__(
        self, case: Case, plan_hash: str, level: VertebraLevel, setting: Setting, corridors: Mapping[Side, Corridor]
    ) -> None:
        self.case, self.plan_hash, self.level, self.setting, self.corridors = case, plan_hash, level, setting, corridors

    @classmethod
    def of(cls, ground: Ground) -> Bench:
        """Model the case as it was planned.

        Raises:
            NotPlannedHereError: how its newest plan came about is not known. PkpError: a refusal of planning_core.
        """
        case = Case(Path(ground.case_path))
        asked, plan = Asked.of(case.path), newest(case.path)
        if plan is None:
            raise NotPlannedHereError("this case holds no plan: plan it here to move its paths", missing="plan")
        if plan.labels_sha256 is not None:
            raise NotPlannedHereError(
                "this plan was made on a label map from elsewhere, which the console does not have: plan it again here",
                missing="labels",
            )
        require_own(case.path, asked.plan_hash, plan)
        level = VertebraLevel.parse(plan.level)
        named = None if asked.level is None else VertebraLevel.parse(asked.level)
        at = None if asked.at is None else np.array(asked.at)
        request = Request(Path(ground.source), named, at, series=ground.series, configuration=plan.configuration)
        ct, _ = read(request)
        assert ct is not None  # the request names one
        require_held(case.path, ct.sha256)
        segmentation = segment(request, ct, case)
        near = [v for v in segmentation.levels if abs(v.ordinal - level.ordinal) <= NEIGHBOURS]
        spine = model_spine(segmentation, ct, near, plan.configuration.anatomy)
        return cls(case, asked.plan_hash, level, *prepared(spine, level, None, ct, plan.configuration.trajectory))

    def answer(self, move: Move) -> dict[str, Any]:
        """The moved path's numbers; with ``keep`` also the hash of the revision."""
        plan = open_plan(self.case.path, move.plan_hash)
        if plan.level != self.level.value:
            raise NotPlannedHereError("this plan is of another level than the case now holds", missing="level")
        require_own(self.case.path, self.plan_hash, plan)
        path = path_of(plan, move.side, move.kind)
        moved = judge_moved(
            self.setting,
            self.corridors[Side(path.side)],
            PathKind(path.kind),
            path.diameter_mm,
            np.array(move.entry_mm),
            np.array(move.target_mm),
        )
        shown = None if moved.trajectory is None else path_record(moved.trajectory).model_dump(mode="json")
        result: dict[str, Any] = {"path": shown, "objections": list(moved.objections), "plan_hash": None}
        if move.keep:
            with self.case.writing():
                new = revised(plan, path.side, path.kind, moved)
                keep(self.case, new)
                audit.record(self.case.path, "revised", level=new.level, plan_hash=new.plan_hash, of=plan.plan_hash, by=move.by)
            result["plan_hash"] = new.plan_hash
        return result


def _serve(pipe: Connection, ground: Ground) -> None:
    os.nice(BEHIND)
    try:
        bench = Bench.of(ground)
    except PkpError as error:
        pipe.send(("refused", error.as_dict()))
        return
    pipe.send(("ready", None))
    while True:
        try:
            move = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(("answer", bench.answer(move)))
        except PkpError as error:
            pipe.send(("refused", error.as_dict()))


class Judge:
    """The process of one case, from outside. One question at a time; of several waiting, the newest is the one that counts
    to the page, which therefore asks again only after an answer."""

    def __init__(self, ground: Ground) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, ground), daemon=True)
        self._process.start()
        theirs.close()
        self._lock, self._ready = threading.Lock(), False
        self.used = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def wait_ready(self) -> None:
        """Until the case is modelled.

        Raises:
            RefusedMoveError: it cannot be. BusyError: it takes too long, or the process ended.
        """
        with self._lock:
            if not self._ready:
                self._heard(READY_S)
                self._ready = True

    def ask(self, move: Move) -> dict[str, Any]:
        """Judge a moved path.

        Raises:
            RefusedMoveError: a refusal by name. BusyError: the process does not answer.
        """
        self.wait_ready()
        with self._lock:
            self.used = time.monotonic()
            try:
                self._pipe.send(move)
            except OSError as error:
                raise BusyError("the process that judges paths has ended: open the case again", job="judge") from error
            answer: dict[str, Any] = self._heard(ANSWER_S)
            return answer

    def end(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.terminate()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _heard(self, within_s: float) -> Any:
        try:
            if not self._pipe.poll(within_s):
                raise BusyError(f"no answer within {within_s:g} s", job="judge")
            word, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise BusyError("the process that judges paths has ended: open the case again", job="judge") from error
        if word == "refused":
            raise RefusedMoveError(value["message"], refused=value)
        return value


class Judges:
    """At most so many at a time; the one unused longest makes room.

    Args:
        most: of them. ground: the facts of a case by its id. start: begins one.
    """

    def __init__(self, most: int, ground: Callable[[str], Ground], start: Callable[[Ground], Judge] = Judge) -> None:
        self._most, self._ground, self._start = most, ground, start
        self._held: dict[str, Judge] = {}
        self._lock = threading.Lock()

    def of(self, case_id: str) -> Judge:
        """The case's process, started when there is none."""
        with self._lock:
            judge = self._held.get(case_id)
            if judge is not None and judge.alive:
                return judge
            ground = self._ground(case_id)
            self._drop(case_id)
            while len(self._held) >= self._most:
                self._drop(min(self._held, key=lambda k: self._held[k].used))
            judge = self._held[case_id] = self._start(ground)
            return judge

    def forget(self, case_id: str) -> None:
        """The case has another plan now: what was modelled of it no longer holds."""
        with self._lock:
            self._drop(case_id)

    def end(self) -> None:
        """End all."""
        with self._lock:
            for case_id in list(self._held):
                self._drop(case_id)

    def _drop(self, case_id: str) -> None:
        judge = self._held.pop(case_id, None)
        if judge is not None:
            judge.end()
