"""Whether the tracker does its work: frames come, and no tool waits for a person to look at it."""

from __future__ import annotations

from pkp_navigation.tool_pose import ToolStatus, TrackerReading

LATCHED = frozenset({ToolStatus.JUMPED, ToolStatus.SWAPPED, ToolStatus.PAIR_MOVED})
BROKEN = frozenset({ToolStatus.FROZEN, ToolStatus.DEVICE_FAULT})
"""Of any tool: the device's trouble, not that something stands in the way."""


def latched(reading: TrackerReading, hand_held: frozenset[str]) -> tuple[str, ...]:
    """Tools that are kept back until somebody has looked at them; one in a hand is never."""
    return tuple(p.tool for p in reading.poses if p.status in LATCHED and p.tool not in hand_held)


def late(reading: TrackerReading) -> bool:
    """Whether a frame came too late to be used: as good as none, and trouble only where it is so for a while."""
    return reading.frame_number is not None and all(p.status is ToolStatus.STALE for p in reading.poses)


def trouble(reading: TrackerReading, hand_held: frozenset[str] = frozenset()) -> str:
    """Why the tracker cannot be relied on, one sentence; empty when it can. A tool that is hidden is no trouble of its."""
    if reading.frame_number is None:
        return reading.poses[0].reason or "no frame"
    waiting = latched(reading, hand_held)
    if waiting:
        return f"{waiting[0]} {reading[waiting[0]].reason}: look at it, then acknowledge the stop, or stop again if that was done"
    for pose in reading.poses:
        if pose.status in BROKEN:
            return f"{pose.tool}: {pose.reason}"
    return ""
