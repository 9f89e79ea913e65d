"""Scans that a peer has sent by C-STORE before a procedure: each becomes a case, as if somebody had dropped it on the page."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pkp_supervisor.phases import Phase

from pkp_console.config import ConsoleConfig
from pkp_console.jobs import Job, Jobs
from pkp_console.planners import import_in_process
from pkp_console.refusals import TooLargeError
from pkp_console.store import CaseStore
from pkp_console.work import ImportJob
from planning_core.errors import PkpError
from planning_core.imaging.identity import pseudonym

BY = "DICOM"
TIMEOUT_S = 600.0
Reading = Callable[[str], dict[str, Any] | None]


class Arrivals:
    """Takes what the ingest node says it received.

    A scan of the procedure itself, from registration on, belongs to that procedure and is left alone: it is no new patient, and a
    room at work is no place for an import.

    Args:
        uploads: where its files are copied before they are read. heard: the newest value of a topic.
    """

    def __init__(self, config: ConsoleConfig, store: CaseStore, jobs: Jobs, uploads: Path, heard: Reading) -> None:
        self._config, self._store, self._jobs, self._uploads, self._heard = config, store, jobs, uploads, heard
        self._taken = set[str]()

    def take(self, ct: dict[str, Any]) -> Job | None:
        """A CtReference that was heard; the import's job, or None where there is nothing to do. The same CT twice is one case."""
        sha256, source = str(ct.get("ct_sha256", "")), Path(str(ct.get("source", "")))
        if not sha256 or sha256 in self._taken or self._in_procedure() or not source.is_dir():
            return None
        self._taken.add(sha256)
        if pseudonym(sha256) in self._store.ids():
            return None
        folder = self._uploads / secrets.token_hex(8)
        work = ImportJob(
            str(folder),
            "dicom",
            None,
            str(self._store.root),
            BY,
            self._config.unpacked_bytes,
            self._config.upload_files,
        )

        def do(told: Any, cancelled: Any) -> str:
            self._copy(source, folder / "dicom")
            return import_in_process(work, told, cancelled, TIMEOUT_S)

        def after(job: Job) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            job.case = job.result

        return self._jobs.start("import", f"import {folder.name}", BY, do, after)

    def _in_procedure(self) -> bool:
        phase = (self._heard("phase") or {}).get("phase")
        return phase is not None and int(phase) >= Phase.REGISTER

    def _copy(self, source: Path, place: Path) -> None:
        files = sorted(p for p in source.iterdir() if p.is_file() and not p.is_symlink())
        if len(files) > self._config.upload_files or sum(p.stat().st_size for p in files) > self._config.upload_bytes:
            raise TooLargeError("the received scan is larger than an import may be", limit_bytes=self._config.upload_bytes)
        place.mkdir(parents=True)
        try:
            for number, file in enumerate(files, start=1):
                shutil.copyfile(file, place / f"{number:06d}.dcm")
        except OSError as error:
            raise ScanGoneError(f"the received scan cannot be copied: {error.strerror}") from error


class ScanGoneError(PkpError):
    """The received folder was cleared, or the disk is full."""

    code = "scan_gone"
