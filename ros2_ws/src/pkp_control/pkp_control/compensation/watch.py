"""Which of the tracker's samples may be believed, and when it is time to stop."""

from __future__ import annotations

import attrs
import numpy as np

from pkp_control.compensation.config import AHEAD_S, CompensationConfig
from planning_core.geometry import RigidTransform


@attrs.frozen(eq=False)
class ToolSample:
    """One tool in one frame of the tracker: ``T_tracker_<tool>`` at ``stamp_s`` (acquisition), or None where it was not seen."""

    tool: str
    frame_number: int
    stamp_s: float
    pose: RigidTransform | None


class Watch:
    """Which samples of one tool may be believed."""

    def __init__(self, config: CompensationConfig) -> None:
        self.config = config
        self.good_s, self.seen_s, self.frame, self.count = -np.inf, -np.inf, -1, 0
        self._missing = self._same = self._far = 0
        self._last: RigidTransform | None = None

    def doubt(self, sample: ToolSample, now_s: float, distance_mm: float | None) -> tuple[bool, str | None]:
        """Whether to use the sample, and a reason to pause."""
        if not np.isfinite(sample.stamp_s) or sample.stamp_s > now_s + AHEAD_S:
            return False, f"{sample.tool}: stamp {sample.stamp_s} s is not before now, {now_s:.3f} s"
        if sample.frame_number <= self.frame or sample.stamp_s <= self.seen_s or now_s - sample.stamp_s > self.config.stale_s:
            return False, None  # replayed or old: not news, and silence pauses by itself
        self.frame, self.seen_s = sample.frame_number, sample.stamp_s
        if sample.pose is None:
            self._missing += 1
            lost = self._missing >= self.config.lost_frames
            return False, f"{sample.tool}: not seen in {self._missing} frames" if lost else None
        self._missing = 0
        same = self._last is not None and np.array_equal(self._last.matrix, sample.pose.matrix)
        self._same = self._same + 1 if same else 0
        self._last = sample.pose
        if self._same:
            frozen = self._same + 1 >= self.config.frozen_frames
            return False, f"{sample.tool}: {self._same + 1} equal poses, the tracker is frozen" if frozen else None
        if distance_mm is not None and distance_mm > self.config.jump_mm:
            self._far += 1
            jumped = self._far >= self.config.jump_frames
            return False, f"{sample.tool}: jumped by {distance_mm:.1f} mm" if jumped else None
        self._far = 0
        self.good_s, self.count = sample.stamp_s, self.count + 1
        return True, None
