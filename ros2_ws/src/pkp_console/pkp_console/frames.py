"""Where every frame of the room is, by its newest transform: what the page's scene hangs on."""

from __future__ import annotations

import threading
from typing import Any

Pose = list[float]
STATIC = -1.0


class Frames:
    """child → (parent, pose, when heard). Written by one thread, read by the sockets."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, Pose, float]] = {}
        self._lock = threading.Lock()

    def put(self, transforms: Any, heard_s: float, static: bool = False) -> None:
        """Take newer transforms; each a geometry_msgs/TransformStamped. ``heard_s``: monotonic s."""
        newer = {}
        for one in transforms:
            t, q = one.transform.translation, one.transform.rotation
            pose = [round(float(v), 6) for v in (t.x, t.y, t.z, q.x, q.y, q.z, q.w)]
            newer[one.child_frame_id] = (one.header.frame_id, pose, STATIC if static else heard_s)
        with self._lock:
            self._held.update(newer)

    def shown(self, now_s: float) -> dict[str, list[Any]]:
        """child → [parent, x, y, z, qx, qy, qz, qw, age in ms]; metres; a static one has no age (-1)."""
        with self._lock:
            held = list(self._held.items())
        return {
            child: [parent, *pose, -1 if heard_s == STATIC else round((now_s - heard_s) * 1000)]
            for child, (parent, pose, heard_s) in held
        }

    def clear(self) -> None:
        """Nothing is known any more."""
        with self._lock:
            self._held.clear()
