"""The one file that processes of a room share: where the arm truly is, and what has happened. One writer, many readers.

Little-endian, memory-mapped float64: header (mark, samples written, events written, the room's epoch, six joints), a ring of
samples (sequence, time, T_world_plate, T_world_tip as rows of 3x4, sequence again) and a list of events (time, kind, numbers).
A reader takes only slots whose two sequences agree with the one it wants; an event's row is complete before the count says so.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from hardware_sim.room.events import AHEAD_S, LIMITS, VALUES, Event, EventKind
from planning_core.errors import InputError, PkpError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray

SHARED_FILE = "room.shared"
MARK = 20260726.1
SAMPLES, EVENTS = 1024, 256
HEADER, SAMPLE, EVENT = 16, 27, 2 + VALUES
SIZE = HEADER + SAMPLES * SAMPLE + EVENTS * EVENT
FORESIGHT_S = 0.05
"""Beyond the newest sample the arm is taken to go on as it went, for so long."""
GIVE_UP = 100


class SharedRoomError(PkpError):
    """The shared file is not there, not ours, torn, or full."""

    code = "shared_room"


class RoomWriter:
    """The arm's process: makes the file, or goes on with that of the same room after a restart.

    Args:
        epoch_s: of the room; a file of another epoch is another room's and is replaced.
    """

    def __init__(self, folder: Path, epoch_s: float) -> None:
        path = folder / SHARED_FILE
        if not _belongs(path, epoch_s):
            part = folder / f".part-{SHARED_FILE}"
            start = np.zeros(SIZE)
            start[0], start[3], start[4:10] = MARK, epoch_s, np.nan
            part.write_bytes(start.astype("<f8").tobytes())
            part.chmod(0o600)
            part.replace(path)
        self._all = np.memmap(path, dtype="<f8", mode="r+", shape=(SIZE,)).view(np.ndarray)
        self._ring = self._all[HEADER : HEADER + SAMPLES * SAMPLE].reshape(SAMPLES, SAMPLE)
        self._events = self._all[HEADER + SAMPLES * SAMPLE :].reshape(EVENTS, EVENT)
        self._written, self._happened = int(self._all[1]), int(self._all[2])
        self._last_s = float(self._ring[self._written % SAMPLES, 1]) if self._written else -math.inf

    @property
    def joints(self) -> FloatArray | None:
        """(6,) rad where the arm stood last, or None in a new room."""
        joints = np.array(self._all[4:10])
        return joints if np.isfinite(joints).all() else None

    def sample(self, time_s: float, world_from_plate: FloatArray, world_from_tip: FloatArray, joints: FloatArray) -> None:
        """(4, 4) each, mm, at a time later than the last (others are left out); (6,) rad for the next start."""
        if not time_s > self._last_s:
            return
        self._written += 1
        slot = self._ring[self._written % SAMPLES]
        slot[0] = self._written
        slot[1] = time_s
        slot[2:14] = world_from_plate[:3].ravel()
        slot[14:26] = world_from_tip[:3].ravel()
        slot[26] = self._written
        self._all[4:10] = joints
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
        SharedRoomError: no file of this room.
    """

    def __init__(self, folder: Path, epoch_s: float) -> None:
        path = folder / SHARED_FILE
        if not _belongs(path, epoch_s):
            raise SharedRoomError(f"there is no {SHARED_FILE} of this room yet", epoch_s=epoch_s)
        self._all = np.memmap(path, dtype="<f8", mode="r", shape=(SIZE,)).view(np.ndarray)
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


def _belongs(path: Path, epoch_s: float) -> bool:
    """Whether it is a whole file of this room."""
    try:
        with path.open("rb") as file:
            head = np.frombuffer(file.read(HEADER * 8), dtype="<f8")
            return len(head) == HEADER and head[0] == MARK and head[3] == epoch_s and path.stat().st_size == SIZE * 8
    except OSError:
        return False


def _event(row: FloatArray) -> Event:
    kind = EventKind(int(row[1]))
    try:
        return Event(float(row[0]), kind, tuple(float(v) for v in row[2 : 2 + len(LIMITS[kind][0])]))
    except InputError as error:
        raise SharedRoomError(f"{SHARED_FILE} holds an event that cannot be: {error.message}") from error


def _pose(frame: str, rows: FloatArray) -> RigidTransform:
    matrix = rows.reshape(3, 4)
    left, _, right = np.linalg.svd(matrix[:, :3])
    return RigidTransform.from_parts("world", frame, left @ right, matrix[:, 3])
