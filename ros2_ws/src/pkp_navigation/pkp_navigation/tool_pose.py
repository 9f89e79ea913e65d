"""What the tracker gives on: one pose per tool and frame, or the reason why there is none."""

from __future__ import annotations

import enum

import attrs

from planning_core.geometry import RigidTransform

TRACKER = "tracker"


class ToolStatus(enum.Enum):
    """Whether a tool's pose may be used. Only ``TRACKED`` comes with a pose."""

    TRACKED = "tracked"
    MISSING = "missing"
    OUT_OF_VOLUME = "out_of_volume"
    POOR_FIT = "poor_fit"
    STALE = "stale"
    REPEATED = "repeated"
    FROZEN = "frozen"
    JUMPED = "jumped"
    SWAPPED = "swapped"
    PAIR_MOVED = "pair_moved"
    DEVICE_FAULT = "device_fault"
    LINK_DOWN = "link_down"


@attrs.frozen(eq=False)
class ToolPose:
    """One tool in one frame.

    Args:
        tool: frame name of the tool.
        T_tracker_tool: the pose in mm, frames ``tracker`` ← ``tool``; None unless ``status`` is TRACKED.
        frame_number: the device's frame counter; None where no frame came.
        acquired_monotonic_s: estimated middle of the exposure on this host's monotonic clock; None where no frame came.
        rms_error_mm: RMS distance of the markers from the tool's geometry, mm; None without a measurement.
        status: whether and why not.
        reason: a sentence with the numbers, empty when TRACKED.
    """

    tool: str
    T_tracker_tool: RigidTransform | None
    frame_number: int | None
    acquired_monotonic_s: float | None
    rms_error_mm: float | None
    status: ToolStatus
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        if (self.T_tracker_tool is not None) != (self.status is ToolStatus.TRACKED):
            raise ValueError(f"{self.tool}: a pose and the status {self.status.value} exclude one another")


@attrs.frozen(eq=False)
class TrackerReading:
    """All tools at one frame; always one pose per configured tool, in that order.

    Args:
        poses: the tools.
        frame_number: the device's frame counter; None where no new frame came.
        acquired_monotonic_s: as in :class:`ToolPose`.
        received_monotonic_s: when this reading was made.
        strays_mm: markers that belong to no tool, tracker frame, mm.
    """

    poses: tuple[ToolPose, ...]
    frame_number: int | None
    acquired_monotonic_s: float | None
    received_monotonic_s: float
    strays_mm: tuple[tuple[float, float, float], ...] = ()

    def __getitem__(self, tool: str) -> ToolPose:
        """The pose of the tool of that name; KeyError where it is not configured."""
        for pose in self.poses:
            if pose.tool == tool:
                return pose
        raise KeyError(tool)
