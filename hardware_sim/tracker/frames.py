"""The camera's clock: which exposure is ready at a time, measured once, with the faults of that moment in it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping

import attrs

from hardware_sim.tracker.config import CameraConfig
from hardware_sim.tracker.faults import Faults
from hardware_sim.tracker.measurement import MeasurementModel, Observation
from hardware_sim.tracker.scene import SceneProvider, SceneState

_WORK_AFTER = 0.3
_KEPT = 8
"""Exposures that can lie between the newest ready one and now: 100 ms of latency at 60 Hz, and one to spare."""


@attrs.frozen(eq=False)
class Exposure:
    """One exposure: its index since the epoch, its time, the truth at it and what was measured of it.

    Args:
        index: exposures since the epoch.
        acquired_monotonic_s: middle of the exposure on the host's monotonic clock, seconds.
        ready_monotonic_s: when its data can be read, on the same clock.
        truth: for tests only; nothing of it goes over the serial line.
        observation: measured spheres, faults included.
    """

    index: int
    acquired_monotonic_s: float
    ready_monotonic_s: float
    truth: SceneState
    observation: Observation


class FrameSource:
    """Measures exposures as they happen and gives the newest whose data are ready.

    Args:
        scene: the truth.
        config: the camera.
        seed: of every random number.
        epoch_monotonic_s: time of exposure 0 and zero of the scene's time.
        witness: called once with each exposure that is measured.
    """

    def __init__(
        self,
        scene: SceneProvider,
        config: CameraConfig,
        seed: int,
        epoch_monotonic_s: float,
        witness: Callable[[Exposure], None] = lambda _: None,
    ) -> None:
        self.scene = scene
        self.config = config
        self._model = MeasurementModel(config, seed)
        self._epoch_s = epoch_monotonic_s
        self._witness = witness
        self._newest: Exposure | None = None
        self._coming: deque[Exposure] = deque(maxlen=_KEPT + 1)  # a host that does not ask lets the oldest go

    def exposed_s(self, index: int) -> float:
        """When that exposure is, monotonic seconds."""
        return self._epoch_s + index / self.config.frame_rate_hz

    def measure_until(self, now_s: float, faults: Faults) -> float:
        """Measure what was exposed a while ago, so that it is there when it is ready; returns when there is more to do.

        The camera computes during its latency too. A third of it is let pass, so that the work falls between two replies.
        """
        lead_s = _WORK_AFTER * self.config.latency_ms / 1e3
        last = self._index(now_s - lead_s)
        known = self._last_measured()
        # after a pause only what could still become the newest is measured
        first = max(known + 1, last - _KEPT, 0)
        for index in range(first, last + 1):
            self._coming.append(self._exposure(index, faults))
        return self.exposed_s(max(last, known) + 1) + lead_s

    def coming(self) -> tuple[Exposure, ...]:
        """Exposures that are measured and not ready yet, or not asked for yet."""
        return tuple(self._coming)

    def measure_again(self) -> None:
        """Forget what is not ready yet: it comes again, the same, for a witness who counts anew."""
        self._coming.clear()

    def newest(self, now_s: float, faults: Faults) -> Exposure:
        """The newest exposure ready at ``now_s``; the same object until the next one is."""
        self.measure_until(now_s, faults)
        while self._coming and (self._newest is None or self._coming[0].ready_monotonic_s <= now_s):
            self._newest = self._coming.popleft()
        if self._newest is None:
            self._newest = self._exposure(0, faults)
        return self._newest

    def _last_measured(self) -> int:
        if self._coming:
            return self._coming[-1].index
        return -1 if self._newest is None else self._newest.index

    def _index(self, time_s: float) -> int:
        return math.floor((time_s - self._epoch_s) * self.config.frame_rate_hz)

    def _exposure(self, index: int, faults: Faults) -> Exposure:
        truth = self.scene(index / self.config.frame_rate_hz)
        observation = faults.disturb(self._model.observe(index, self.scene.tools, truth))
        exposed_s = self.exposed_s(index)
        exposure = Exposure(index, exposed_s, exposed_s + self._model.latency_s(index), truth, observation)
        self._witness(exposure)
        return exposure


def truth_record(exposure: Exposure, frame_number: int) -> Mapping[str, object]:
    """The truth of an exposure as JSON-able values.

    Index and the device's frame number, times on the host's monotonic clock, ``T_tracker_<tool>`` (4, 4) mm.
    """
    return {
        "index": exposure.index,
        "frame_number": frame_number,
        "acquired_monotonic_s": exposure.acquired_monotonic_s,
        "ready_monotonic_s": exposure.ready_monotonic_s,
        "poses": {name: pose.matrix.tolist() for name, pose in exposure.truth.poses.items()},
    }
