"""What was given, on disk as it happens, so that no restart loses a millilitre from the record."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

from pkp_control.injection_types import InjectionOrder, InjectionState, Phase, Segment, Stop
from planning_core.errors import PkpError


class JournalCorruptError(PkpError):
    """A line before the last cannot be read. Carries ``line``."""

    code = "injection_journal"


class JournalWriteError(PkpError):
    """The record cannot be written (disk full, folder gone). Carries ``path``."""

    code = "injection_journal_write"


class InjectionJournal:
    """One JSON line per change of phase and per step of volume; the last line says it all.

    A change of phase is forced to disk. Steps of volume are not: forcing takes longer than a control cycle may, and the
    device's own counter gives them back against the segment's start, which was forced.

    Args:
        path: of the file. step_ml: a line is written whenever the volume has grown by this.
    """

    def __init__(self, path: Path, step_ml: float = 0.02) -> None:
        self._path, self._step_ml = path, step_ml
        self._written: tuple[Phase, Stop | None, int, float] | None = None

    def note(self, state: InjectionState) -> None:
        """Write a line if there is something new.

        Raises:
            JournalWriteError: it cannot be written.
        """
        counted = state.segment.counted_ml if state.segment else 0.0
        was = self._written
        new = (state.phase, state.stop, len(state.finished), counted)
        turned = was is None or was[:3] != new[:3]
        if not turned and was is not None and abs(counted - was[3]) < self._step_ml:
            return
        line = {
            "phase": state.phase.value,
            "stop": state.stop.name if state.stop else None,
            "target_ml": state.target_ml,
            "segments": [attrs.asdict(s) for s in state.segments],
        }
        try:
            self._append(json.dumps(line).encode() + b"\n", turned)
        except OSError as error:
            raise JournalWriteError(f"injection journal {self._path}: {error}", path=str(self._path)) from error
        self._written = new

    def _append(self, line: bytes, force: bool) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            before = os.fstat(handle).st_size
            written = os.write(handle, line)
            if written < len(line):  # disk full: a torn line must not be written onto
                os.ftruncate(handle, before)
                raise OSError(f"{written} of {len(line)} bytes written")
            if force:
                os.fsync(handle)
        finally:
            os.close(handle)

    def recover(self) -> InjectionState:
        """Where it was: STOPPED where anything had begun and not ended, else DISARMED; volumes as far as written.

        The open segment's counter is brought up to date by the next reading, for the device keeps it through restarts.

        Raises:
            JournalCorruptError: anything but the last line, which a power cut may tear, cannot be read.
        """
        if not self._path.exists():
            return InjectionState()
        raw = self._path.read_bytes()
        lines = raw.split(b"\n")
        if lines[-1]:  # torn by a power cut: cut off, or the next line would be written onto it
            with self._path.open("r+b") as file:
                file.truncate(len(raw) - len(lines[-1]))
        state = InjectionState()
        for number, line in enumerate(lines[:-1], 1):
            try:
                state = _parse(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise JournalCorruptError(f"line {number} of the injection journal: {error}", line=number) from error
        if state.phase in (Phase.DISARMED, Phase.DONE):
            return state
        return attrs.evolve(state, phase=Phase.STOPPED, stop=state.stop or Stop.RESTARTED)


def _parse(line: dict[str, object]) -> InjectionState:
    segments = []
    for kept in line["segments"]:  # type: ignore[attr-defined]
        order = InjectionOrder(**kept.pop("order"))
        segments.append(Segment(order, **kept))
    stop = line["stop"]
    return InjectionState(
        phase=Phase(line["phase"]),
        segment=segments[-1] if segments else None,
        target_ml=float(line["target_ml"]),  # type: ignore[arg-type]
        finished=tuple(segments[:-1]),
        stop=Stop[stop] if isinstance(stop, str) else None,
    )
