"""The one file that processes of a room share: where the arm truly is, and what has happened. One writer, many readers.

Little-endian, memory-mapped: header (8 float64: mark, samples written, events written), a ring of samples (sequence, time,
T_world_plate, T_world_tip as rows of 3x4, sequence again) and a list of events (time, kind, 6 numbers). A reader takes only
slots whose two sequences agree with the one it wants; an event's row is complete before the count says so.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from hardware_sim.room.events import AHEAD_S, VALUES, Event, EventKind
from planning_core.errors import InputError, PkpError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray

SHARED_FILE = "room.shared"
MARK = 20260726.1
SAMPLES, EVENTS = 1024, 256
HEADER, SAMPLE, EVENT = 8, 27, 2 + VALUES
SIZE = HEADER + SAMPLES * SAMPLE + EVENTS * EVENT
FORESIGHT_S = 0.05
"""Beyond the newest sample the arm is taken to go on as it went, for so long."""
GIVE_UP = 100


class SharedRoomError(PkpError):
    """The shared file is not there, not ours, torn, or full."""

    code = "shared_room"


class RoomWriter:
    """The arm's process: makes the file and writes to it."""

    def __init__(self, folder: Path) -> None:
        path, part = folder / SHARED_FILE, folder / f".part-{SHARED_FILE}"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.truncate(descriptor, SIZE * 8)
        os.close(descriptor)
        self._all = np.memmap(part, dtype="<f8", mode="r+", shape=(SIZE,))
        self._ring = self._all[HEADER : HEADER + SAMPLES * SAMPLE].reshape(SAMPLES, SAMPLE)
        self._events = self._all[HEADER + SAMPLES * SAMPLE :].reshape(EVENTS, EVENT)
        self._written = self._happened = 0
        self._last_s = -math.inf
        self._all[0] = MARK
        part.replace(path)

    def sample(self, time_s: float, world_from_plate: FloatArray, world_from_tip: FloatArray) -> None:
        """(4, 4) each, mm, at a time later than the last (others are left out)."""
        if not time_s > self._last_s:
            return
        self._written += 1
        slot = self._ring[self._written % SAMPLES]
        slot[0] = self._written
        slot[1] = time_s
        slot[2:14] = world_from_plate[:3].ravel()
        slot[14:26] = world_from_tip[:3].ravel()
        slot[26] = self._written
        self._all[1] = self._written
        self._last_s = time_s

    def happen(self, now_s: float, kind: EventKind, values: tuple[float, ...]) -> Event:
        """Write an event that takes effect in a moment, never before one written earlier.

        Raises:
            InputError: values out of range. SharedRoomError: the list is full.
        """
        if self._happened >= EVENTS:
            raise SharedRoomError(f"this room has seen its {EVENTS} events", events=EVENTS)
        latest = self._events[self._happened - 1, 0] if self._happened else -math.inf
        event = Event(max(now_s + AHEAD_S, float(latest)), kind, values)
        row = self._events[self._happened]
        row[0], row[1] = event.time_s, kind
        row[2 : 2 + len(values)] = values
        self._happened += 1
        self._all[2] = self._happened
        return event


class RoomReader:
    """Any process: the arm's poses at a time, and events as they come.

    Raises:
        SharedRoomError: no such file, or another size or mark.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / SHARED_FILE
        try:
            if path.stat().st_size != SIZE * 8:
                raise SharedRoomError(f"{SHARED_FILE} has {path.stat().st_size} bytes, {SIZE * 8} expected")
            self._all = np.memmap(path, dtype="<f8", mode="r", shape=(SIZE,))
        except OSError as error:
            raise SharedRoomError(f"no {SHARED_FILE}: {error.strerror}") from error
        if self._all[0] != MARK:
            raise SharedRoomError(f"{SHARED_FILE} is marked {self._all[0]!r}, not {MARK!r}")
        self._ring = self._all[HEADER : HEADER + SAMPLES * SAMPLE].reshape(SAMPLES, SAMPLE)
        self._events = self._all[HEADER + SAMPLES * SAMPLE :].reshape(EVENTS, EVENT)
        self._heard = 0

    def new_events(self) -> list[Event]:
        """Those not asked for before."""
        count = int(self._all[2])
        rows, self._heard = np.array(self._events[self._heard : count]), count
        return [_event(row) for row in rows]

    def poses(self, time_s: float) -> tuple[RigidTransform, RigidTransform] | None:
        """``T_world_plate`` and ``T_world_guide_tip`` at a time, or None before there is a sample.

        Between samples straight on; before the oldest kept the oldest; after the newest by its last speed for 50 ms, then still.
        """
        for _ in range(GIVE_UP):
            newest = int(self._all[1])
            if newest == 0:
                return None
            pair = self._pair(newest, time_s)
            if pair is not None:
                first, second = pair
                gap = second[1] - first[1]
                share = float(np.clip((time_s - first[1]) / gap, 0.0, 1 + FORESIGHT_S / gap)) if gap > 0 else 0.0
                row = first + share * (second - first)
                return _pose("plate", row[2:14]), _pose("guide_tip", row[14:26])
        raise SharedRoomError("the arm's ring was overwritten each time it was read")

    def _pair(self, newest: int, time_s: float) -> tuple[FloatArray, FloatArray] | None:
        """The samples round a time; None when one was overwritten meanwhile."""
        oldest = max(1, newest - SAMPLES + 32)
        low, high = oldest, newest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._ring[middle % SAMPLES, 1] <= time_s else (low, middle)
        low = max(oldest, high - 1)
        first, second = np.array(self._ring[low % SAMPLES]), np.array(self._ring[high % SAMPLES])
        whole = first[0] == first[26] == low and second[0] == second[26] == high
        return (first, second) if whole else None


def _event(row: FloatArray) -> Event:
    kind = EventKind(int(row[1]))
    try:
        return Event(float(row[0]), kind, tuple(float(v) for v in row[2 : 2 + _numbers(kind)]))
    except InputError as error:
        raise SharedRoomError(f"{SHARED_FILE} holds an event that cannot be: {error.message}") from error


def _numbers(kind: EventKind) -> int:
    from hardware_sim.room.events import LEAST

    return len(LEAST[kind][0])


def _pose(frame: str, rows: FloatArray) -> RigidTransform:
    matrix = rows.reshape(3, 4)
    left, _, right = np.linalg.svd(matrix[:, :3])
    return RigidTransform.from_parts("world", frame, left @ right, matrix[:, 3])
