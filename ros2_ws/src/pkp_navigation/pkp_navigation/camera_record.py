"""What the camera saw while a registration is at work: each frame once, in order, none that came late."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

import attrs

from planning_core.geometry import RigidTransform
from planning_core.registration.tracked import PLATE, REFERENCE, Sighting, TrackedPose

ROBOT_REF = "robot_ref"
LONGEST = 60 * 60 * 10
"""Frames kept: ten minutes at 60 Hz."""


@attrs.frozen(eq=False)
class CameraFrame:
    """One frame: the tools that were tracked in it.

    Args:
        number: the device's. stamp_s: acquisition, host clock, s.
    """

    number: int
    stamp_s: float
    tools: Mapping[str, TrackedPose]


class CameraRecord:
    """Frames from a moment on; written by one thread, read by others.

    Args:
        max_age_s: a frame older than this when it comes is not taken.
    """

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._frames: deque[CameraFrame] = deque(maxlen=LONGEST)
        self._count = 0
        self._news = threading.Condition()

    def begin(self) -> None:
        """Forget what was seen before."""
        with self._news:
            self._frames.clear()
            self._count = 0

    def take(self, frame: CameraFrame, now_s: float) -> bool:
        """Whether the frame was taken: it is young, not from the future, and later than the last."""
        with self._news:
            fresh = -0.02 <= now_s - frame.stamp_s <= self._max_age_s
            later = not self._frames or frame.stamp_s > self._frames[-1].stamp_s
            if not (fresh and later):
                return False
            self._frames.append(frame)
            self._count += 1
            self._news.notify_all()
            return True

    def after(self, count: int, wait_s: float) -> tuple[tuple[CameraFrame, ...], int]:
        """Frames beyond the first ``count`` ones, waiting a while for one, and the count that then is."""
        with self._news:
            self._news.wait_for(lambda: self._count > count, wait_s)
            new = min(self._count - count, len(self._frames))
            return tuple(self._frames)[len(self._frames) - new :] if new > 0 else (), self._count

    def sightings(self, most: int) -> tuple[Sighting, ...]:
        """Frames that see plate and patient reference, at most so many, spread evenly over the time."""
        with self._news:
            frames = tuple(self._frames)
        both = [f for f in frames if {ROBOT_REF, REFERENCE} <= f.tools.keys()]
        step = max(1, -(-len(both) // most))
        return tuple(Sighting(_as_plate(f.tools[ROBOT_REF]), f.tools[REFERENCE]) for f in both[::-1][::step][::-1])


def _as_plate(seen: TrackedPose) -> TrackedPose:
    """``robot_ref`` of the camera is the plate's own frame."""
    return attrs.evolve(seen, pose=RigidTransform(seen.pose.dst, PLATE, seen.pose.matrix))
