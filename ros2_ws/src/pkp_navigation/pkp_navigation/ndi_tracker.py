"""The tracker driver: a stream of readings that goes on through cut cables, and never gives an old pose as a new one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import attrs

from pkp_navigation.frame_clock import FrameClock
from pkp_navigation.ndi_protocol import (
    CrcError,
    DeviceRefusalError,
    FrameFormatError,
    HandleReading,
    HandleStatus,
    NdiError,
    PortStatus,
)
from pkp_navigation.ndi_session import NdiSession, TrackingReply
from pkp_navigation.plausibility import Measurement, PlausibilityGuard, pose_transform
from pkp_navigation.serial_link import LinkLostError, LinkTimeoutError
from pkp_navigation.tool_pose import ToolPose, ToolStatus, TrackerReading
from pkp_navigation.tracker_config import TrackerConfig

SYSTEM_FAULTS = {
    0x0001: "communication synchronisation error",
    0x0002: "too much external infrared",
    0x0004: "system CRC error",
    0x0008: "recoverable processing error",
    0x0010: "hardware failure",
    0x0100: "diagnostics pending (knocked, or an alert that nobody has read)",
    0x0200: "temperature out of range",
}
"""Bits of the system status under which no pose is believed; the others tell of wired ports, which have no tool of ours."""
_POLL_PAUSE_S = 0.0005
_EARLIER_S = 0.001
_LATER_S = 0.0002
_HALF_COUNTER = 1 << 31
_COUNTER = 1 << 32


@attrs.define
class LinkCounters:
    """What went over the line since the driver was made."""

    frames: int = 0
    frames_skipped: int = 0
    polls_without_news: int = 0
    old_frames_refused: int = 0
    crc_errors: int = 0
    malformed_replies: int = 0
    timeouts: int = 0
    connects: int = 0
    failed_connects: int = 0


@attrs.define(eq=False)
class _Progress:
    """How far a session has come, and how long to wait after a frame before asking for the next.

    The wait shortens when the first question already brings news (it may have been ready for long) and grows slowly when
    several come too early: few questions, little delay, whatever the device's latency and the load of this host.
    """

    period_s: float
    frame_number: int | None = None
    fresh_s: float = 0.0
    told_stale_s: float = 0.0
    bad_replies: int = 0
    early_polls: int = 0
    not_ready_s: float | None = None
    wait_s: float = 0.0

    def took(self, frame_number: int, now: float) -> None:
        """A new frame has come."""
        if self.early_polls == 0:
            self.wait_s = max(0.0, self.wait_s - _EARLIER_S)
        elif self.early_polls > 2:
            self.wait_s = min(0.9 * self.period_s, self.wait_s + _LATER_S * self.early_polls)
        self.frame_number, self.early_polls, self.not_ready_s, self.bad_replies = frame_number, 0, None, 0
        self.fresh_s = self.told_stale_s = now

    def pause_s(self, now: float) -> float:
        """How long to wait before the next question."""
        return max(_POLL_PAUSE_S, self.fresh_s + self.wait_s - now)


class NdiTracker:
    """Reads an NDI tracker for as long as it is asked to.

    Args:
        config: port, tools, limits.

    :meth:`readings` is for one thread; :meth:`latched`, :meth:`acknowledge` and ``counters`` may be used from others.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self.counters = LinkCounters()
        self._guard = PlausibilityGuard(config.tools, config.rigid_pairs, config.frozen_after)
        self._clock = FrameClock(config.frame_rate_hz, config.device_latency_ms / 1e3)

    def acknowledge(self, tool: str) -> None:
        """A person has looked at a jump of this tool; it is tracked again from where it is.

        Raises:
            KeyError: the tool is not configured.
        """
        self._guard.acknowledge(tool)

    def latched(self) -> tuple[str, ...]:
        """Tools that have jumped and wait for an acknowledgement, whether they are seen now or not."""
        return self._guard.latched()

    def readings(self, stop: threading.Event) -> Iterator[TrackerReading]:
        """One reading per new frame; without news, one per ``stale_after_s`` or failed connection, with no pose in it.

        Connects by itself, and again after every loss. Ends when ``stop`` is set.

        Raises:
            ToolDefinitionError: a tool's geometry is not usable (nothing a reconnection could mend).
        """
        while not stop.is_set():
            try:
                session = NdiSession(self.config, stop)
            except NdiError as failed:
                self.counters.failed_connects += 1
                yield self._without_frame(ToolStatus.LINK_DOWN, failed.message)
                stop.wait(self.config.reconnect_pause_s)
                continue
            self.counters.connects += 1
            self._clock.reset()
            try:
                yield from self._stream(session, stop)
            except NdiError as failed:
                yield self._without_frame(ToolStatus.LINK_DOWN, failed.message)
            finally:
                session.close()

    def _stream(self, session: NdiSession, stop: threading.Event) -> Iterator[TrackerReading]:
        now = time.monotonic()
        progress = _Progress(1.0 / self.config.frame_rate_hz, fresh_s=now, told_stale_s=now)
        while not stop.is_set():
            reading = self._next(session, progress)
            if reading is not None:
                yield reading
            stop.wait(progress.pause_s(time.monotonic()))

    def _next(self, session: NdiSession, progress: _Progress) -> TrackerReading | None:
        """Ask once: the reading of a new frame, a stale one when it is time to say so, or nothing."""
        reply = self._poll(session, progress)
        now = time.monotonic()
        if reply is not None and self._is_new(reply, progress):
            number = _newest(reply.frame.handles)
            acquired = self._clock.acquired_s(number, now, reply.transfer_s, progress.not_ready_s)
            # after a reply that did not come in time, the next may be just that one
            exchange_s = math.inf if progress.bad_replies else now - reply.asked_s
            progress.took(number, now)
            if self._clock.contradicted(now - acquired, exchange_s, now, self.config.max_age_s):
                reason = f"frames come at once but count as {1e3 * (now - acquired):.0f} ms old: begun anew"
                raise LinkLostError(reason, port=self.config.port)
            return self._judged(session, reply, number, acquired, now)
        if now - progress.told_stale_s >= self.config.stale_after_s:
            progress.told_stale_s = now
            return self._without_frame(ToolStatus.STALE, f"no new frame for {now - progress.fresh_s:.2f} s")
        return None

    def _poll(self, session: NdiSession, progress: _Progress) -> TrackingReply | None:
        try:
            reply = session.poll()
        except (LinkLostError, DeviceRefusalError):
            raise  # not tracking any more: begin again
        except NdiError as spoiled:
            self._count(spoiled)
            progress.bad_replies += 1
            if progress.bad_replies >= self.config.bad_replies_to_reconnect:
                raise
            session.link.drain()
            return None
        return reply

    def _count(self, spoiled: NdiError) -> None:
        if isinstance(spoiled, CrcError):
            self.counters.crc_errors += 1
        elif isinstance(spoiled, LinkTimeoutError):
            self.counters.timeouts += 1
        else:
            self.counters.malformed_replies += 1

    def _is_new(self, reply: TrackingReply, progress: _Progress) -> bool:
        """Whether the reply holds a later frame than the last; a counter that ran back is refused, then reconnected."""
        if not reply.frame.handles:
            raise FrameFormatError("tracking data without any tool", size=0)
        number = _newest(reply.frame.handles)
        if progress.frame_number is None:
            self.counters.frames += 1
            return True
        # the distance on the 32 bit circle: less than half way round is later, the rest is earlier
        ahead = (number - progress.frame_number) % _COUNTER
        if ahead == 0:
            self.counters.polls_without_news += 1
            progress.early_polls += 1
            progress.not_ready_s = reply.asked_s
            progress.bad_replies = 0
            return False
        if ahead >= _HALF_COUNTER:
            self.counters.old_frames_refused += 1
            progress.bad_replies += 1
            if progress.bad_replies >= self.config.bad_replies_to_reconnect:
                raise LinkLostError(f"the frame counter ran back from {progress.frame_number} to {number}", port=self.config.port)
            return False
        self.counters.frames += 1
        self.counters.frames_skipped += ahead - 1
        return True

    def _judged(self, session: NdiSession, reply: TrackingReply, number: int, acquired: float, now: float) -> TrackerReading:
        faults = [name for bit, name in SYSTEM_FAULTS.items() if reply.frame.system_status & bit]
        too_old = now - acquired > self.config.max_age_s
        measurements: dict[str, Measurement] = {}
        poses: dict[str, ToolPose] = {}
        for handle in reply.frame.handles:
            name = session.tools[handle.handle]
            if faults:
                poses[name] = _no_pose(name, handle, acquired, ToolStatus.DEVICE_FAULT, ", ".join(faults))
            elif too_old or handle.frame_number != number:
                reason = f"the frame was {1e3 * (now - acquired):.0f} ms old" if too_old else "its frame is not the newest"
                poses[name] = _no_pose(name, handle, acquired, ToolStatus.STALE, reason)
            elif handle.pose is None or handle.port_status & PortStatus.OUT_OF_VOLUME:
                poses[name] = _unseen(name, handle, acquired)
            else:
                transform = pose_transform(name, handle.pose)
                measurements[name] = Measurement(transform, handle.raw_pose, handle.pose[7], number, acquired)
        poses |= self._guard.judge(measurements)
        missing = "the tracker reports nothing of it"
        ordered = tuple(
            poses.get(tool.name) or ToolPose(tool.name, None, number, acquired, None, ToolStatus.MISSING, missing)
            for tool in self.config.tools
        )
        return TrackerReading(ordered, number, acquired, now, reply.frame.strays_mm)

    def _without_frame(self, status: ToolStatus, reason: str) -> TrackerReading:
        poses = tuple(ToolPose(tool.name, None, None, None, None, status, reason) for tool in self.config.tools)
        return TrackerReading(poses, None, None, time.monotonic())


def _newest(handles: tuple[HandleReading, ...]) -> int:
    """The latest counter among the handles, across a wrap of the counter."""
    reference = handles[0].frame_number
    ahead = max(
        (handle.frame_number - reference + _HALF_COUNTER) % _COUNTER
        for handle in handles
        if handle.status is not HandleStatus.DISABLED or handle is handles[0]
    )
    return (reference + ahead - _HALF_COUNTER) % _COUNTER


def _unseen(name: str, handle: HandleReading, acquired: float) -> ToolPose:
    if handle.port_status & PortStatus.OUT_OF_VOLUME:
        return _no_pose(name, handle, acquired, ToolStatus.OUT_OF_VOLUME, "outside the measurement volume")
    return _no_pose(name, handle, acquired, ToolStatus.MISSING, "not seen, or too few markers fit")


def _no_pose(name: str, handle: HandleReading, acquired: float, status: ToolStatus, reason: str) -> ToolPose:
    rms = None if handle.pose is None else handle.pose[7]
    return ToolPose(name, None, handle.frame_number, acquired, rms, status, reason)
