"""A point touched with the tracked probe: its tip held still in the patient reference's frame, with the error to expect."""

from __future__ import annotations

from collections import deque

import attrs
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_vector
from planning_core.geometry.covariance import point_covariance
from planning_core.registration.config import TrackerConfig
from planning_core.registration.target_error import uncertain_pose
from planning_core.registration.tracked import REFERENCE, TRACKER, TrackedPose, marker_covariance

PROBE = "probe_tip"


class TouchConfig(BaseModel):
    """When a probe counts as held still."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    frames: int = Field(60, ge=10, le=1000, description="in a row that see probe and patient reference; a second at 60 Hz")
    still_mm: float = Field(0.5, gt=0, description="rms of the tip about its mean; the camera's own noise makes 0.2 (tracker.md)")
    longest_gap_s: float = Field(0.1, gt=0, description="between two frames that count as in a row (assumed: six frames)")


@attrs.frozen(eq=False)
class Touch:
    """Where the tip was held.

    Args:
        reference_mm: (3,) in ``patient_ref``. covariance: (3, 3) mm² of it. spread_mm: rms about the mean.
        stamp_s: of the newest frame, host clock. frame_number: of that frame.
    """

    reference_mm: FloatArray = attrs.field(converter=frozen_vector)
    covariance: FloatArray = attrs.field(converter=point_covariance)
    spread_mm: float
    stamp_s: float
    frame_number: int


class HeldTip:
    """Watches camera frames until the tip is held still. The tip is the origin of ``probe_tip``.

    Args:
        probe_markers_mm, reference_markers_mm: (m, 3) of each tool in its own frame.
    """

    def __init__(
        self,
        probe_markers_mm: FloatArray,
        reference_markers_mm: FloatArray,
        config: TouchConfig | None = None,
        tracker: TrackerConfig | None = None,
    ) -> None:
        self._probe_markers, self._reference_markers = probe_markers_mm, reference_markers_mm
        self._config, self._tracker = config or TouchConfig(), tracker or TrackerConfig()
        self._tips: deque[FloatArray] = deque(maxlen=self._config.frames)
        self._last: tuple[int, float] | None = None
        self._poses: tuple[RigidTransform, RigidTransform] | None = None

    @property
    def frames(self) -> int:
        """In a row so far."""
        return len(self._tips)

    def see(self, probe: TrackedPose | None, reference: TrackedPose | None) -> Touch | None:
        """One camera frame; ``None`` for a tool it did not see. The touch, once the tip was held for long enough.

        A frame that misses either tool, fits poorly, repeats or comes after a gap begins anew.
        """
        if probe is None or reference is None or not self._sound(probe, reference):
            self._tips.clear()
            self._last = None
            return None
        if self._last is not None:
            number, stamp = self._last
            late = probe.stamp_s - stamp > self._config.longest_gap_s
            if late or probe.stamp_s <= stamp or probe.frame_number == number or self._same(probe, reference):
                self._tips.clear()
        self._last, self._poses = (probe.frame_number, probe.stamp_s), (probe.pose, reference.pose)
        self._tips.append((reference.pose.inverse() @ probe.pose).translation_mm)
        return self._held(probe, reference)

    def _sound(self, probe: TrackedPose, reference: TrackedPose) -> bool:
        frames = (probe.pose.dst, probe.pose.src, reference.pose.dst, reference.pose.src)
        limit = self._tracker.max_rms_mm
        return (
            frames == (TRACKER, PROBE, TRACKER, REFERENCE)
            and probe.frame_number == reference.frame_number
            and abs(probe.stamp_s - reference.stamp_s) <= self._tracker.max_skew_s
            and 0 <= probe.rms_mm <= limit
            and 0 <= reference.rms_mm <= limit
        )

    def _same(self, probe: TrackedPose, reference: TrackedPose) -> bool:
        """A camera never sees the same pose twice to the last bit: it is frozen."""
        assert self._poses is not None
        return any(np.array_equal(a.matrix, b.matrix) for a, b in zip(self._poses, (probe.pose, reference.pose), strict=True))

    def _held(self, probe: TrackedPose, reference: TrackedPose) -> Touch | None:
        if len(self._tips) < self._config.frames:
            return None
        tips = np.array(self._tips)
        mean = tips.mean(axis=0)
        spread = float(np.sqrt(((tips - mean) ** 2).sum(axis=1).mean()))
        if not spread <= self._config.still_mm:
            return None
        fle = marker_covariance(self._tracker, len(tips))
        there = uncertain_pose(reference.pose, self._reference_markers, fle).inverse() @ uncertain_pose(
            probe.pose, self._probe_markers, fle
        )
        return Touch(mean, there.covariance_at(np.zeros(3)), spread, probe.stamp_s, probe.frame_number)
