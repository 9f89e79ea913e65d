"""Runs on disk by id: what was recorded, its report, and its replay. Ids are compared with what is there, as for cases."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import attrs

from pkp_console.refusals import NoSuchError, NotPlannedHereError
from pkp_console.replay import RECORD, Replay, Tell, make_replay
from planning_core.case import audit
from planning_core.errors import PkpError
from planning_core.running import running_note

HIDDEN = "."
REPORT = "procedure.html"
"""As ``pkp_supervisor.report`` calls it, which draws: only its worker loads that."""


@attrs.frozen
class RunJob:
    """A run to read: its folder, and where the replay is kept."""

    folder: str
    place: str


def replay_run(job: RunJob, tell: Tell) -> str:
    """Make a run's record ready; returns the run's id.

    Raises:
        NothingRecordedError: see ``make_replay``.
    """
    make_replay(Path(job.folder), tell).write(Path(job.place))
    return Path(job.folder).name


def report_run(job: RunJob, tell: Tell) -> str:
    """Write a run's report; returns the run's id.

    Raises:
        NothingRecordedError, BrokenAuditError: see ``pkp_supervisor.report``.
    """
    from pkp_supervisor.report import write_report

    tell("report")
    write_report(Path(job.folder))
    return Path(job.folder).name


class RunStore:
    """All runs under one folder.

    Args:
        root: it; need not be there. kept: folder of the replays that were made ready.
    """

    def __init__(self, root: Path, kept: Path) -> None:
        self._root, self._kept = root.resolve(), kept
        self._open: tuple[Path, Replay] | None = None
        self._made: dict[str, Path] = {}
        self._lock = threading.Lock()

    def ids(self) -> list[str]:
        """Names of the run folders, newest first."""
        if not self._root.is_dir():
            return []
        found = [
            p
            for p in self._root.iterdir()
            if p.is_dir() and not p.is_symlink() and not p.name.startswith(HIDDEN) and (p / audit.NAME).is_file()
        ]
        return [p.name for p in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)]

    def folder(self, run_id: str) -> Path:
        """A run's folder.

        Raises:
            NoSuchError: there is none with this id.
        """
        if run_id not in self.ids():
            raise NoSuchError("there is no run with this id", kind="run")
        return self._root / run_id

    def summary(self, run_id: str) -> dict[str, Any]:
        """One line of the list."""
        folder = self.folder(run_id)
        try:
            problem: dict[str, Any] | None = None
            audit.verify(folder)
        except PkpError as error:
            problem = error.as_dict()
        files = self._files(folder)
        size = sum(p.stat().st_size for p in self._record(folder))
        return {
            "id": run_id,
            "files": sorted(files),
            "recorded_bytes": size,
            "running": running_note(folder) is not None,
            "replay": self._place(folder).is_file(),
            "audit_problem": problem,
        }

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """The run's audit chain, oldest first, without the chain's hashes; lines that cannot be read are left out."""
        found = []
        for line in (self.folder(run_id) / audit.NAME).read_bytes().splitlines():
            try:
                entry = json.loads(line.decode())
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append({k: v for k, v in entry.items() if k not in ("hash", "previous")})
        return found

    def file(self, run_id: str, name: str) -> Path:
        """One of the run's files that may be taken away.

        Raises:
            NoSuchError: none of that name.
        """
        files = self._files(self.folder(run_id))
        if name not in files:
            raise NoSuchError("the run holds no such file", kind="file")
        return files[name]

    def job(self, run_id: str) -> RunJob:
        """What a worker needs to read the run."""
        folder = self.folder(run_id)
        return RunJob(str(folder), str(self._place(folder)))

    def made(self, job: RunJob) -> None:
        """A worker has made it ready: shown until the next, however the record grows meanwhile."""
        run_id, place = Path(job.folder).name, Path(job.place)
        with self._lock:
            before = self._made.get(run_id, place)
            self._made[run_id] = place
        if before != place:
            before.unlink(missing_ok=True)

    def replay(self, run_id: str) -> Replay:
        """The run's replay; the last one that was asked for stays in memory.

        Raises:
            NoSuchError: no such run. NotPlannedHereError: it was not made ready.
        """
        place = self._place(self.folder(run_id))
        with self._lock:
            if not place.is_file():  # the record of a run under way has grown since it was read
                place = self._made.get(run_id, place)
            if self._open is not None and self._open[0] == place:
                return self._open[1]
            if not place.is_file():
                raise NotPlannedHereError("this record has not been made ready: open it first", missing="replay")
            replay = Replay.read(place)
            self._open = place, replay
            return replay

    def _place(self, folder: Path) -> Path:
        """Named after the record as it is now: one that has grown is made ready anew."""
        facts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in self._record(folder)]
        key = hashlib.sha256(json.dumps([str(folder), facts]).encode()).hexdigest()[:24]
        return self._kept / f"{key}.json"

    def _record(self, folder: Path) -> list[Path]:
        return sorted((folder / RECORD).glob("*.mcap"))

    def _files(self, folder: Path) -> dict[str, Path]:
        found = [folder / REPORT, folder / audit.NAME, *self._record(folder)]
        return {p.name: p for p in found if p.is_file() and not p.is_symlink()}
