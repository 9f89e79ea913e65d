"""The camera's clock: which exposure is ready at a time, measured once, with the faults of that moment in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np

from hardware_sim.tracker.config import CameraConfig
from hardware_sim.tracker.faults import Faults
from hardware_sim.tracker.measurement import MeasurementModel, Observation
from hardware_sim.tracker.scene import SceneProvider, SceneState


@attrs.frozen(eq=False)
class Exposure:
    """One exposure: its index since the epoch, its time, the truth at it and what was measured of it.

    Args:
        index: exposures since the epoch.
        acquired_monotonic_s: middle of the exposure on the host's monotonic clock, seconds.
        truth: for tests only; nothing of it goes over the serial line.
        observation: measured spheres, faults included.
    """

    index: int
    acquired_monotonic_s: float
    truth: SceneState
    observation: Observation


class FrameSource:
    """Gives the newest exposure whose data are ready.

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

    def newest(self, now_s: float, faults: Faults) -> Exposure:
        """The newest exposure ready at ``now_s``; the same object until the next one is."""
        index = self._ready_index(now_s)
        if self._newest is not None and index <= self._newest.index:
            return self._newest
        time_s = index / self.config.frame_rate_hz
        truth = self.scene(time_s)
        observation = faults.disturb(self._model.observe(index, self.scene.tools, truth))
        self._newest = Exposure(index, self._epoch_s + time_s, truth, observation)
        self._witness(self._newest)
        return self._newest

    def _ready_index(self, now_s: float) -> int:
        index = int(np.floor((now_s - self._epoch_s) * self.config.frame_rate_hz))
        known = -1 if self._newest is None else self._newest.index
        while index > known and index > 0:
            if self._epoch_s + index / self.config.frame_rate_hz + self._model.latency_s(index) <= now_s:
                break
            index -= 1
        return max(index, 0)


def truth_record(exposure: Exposure) -> Mapping[str, object]:
    """The truth of an exposure as JSON-able values: index, time on the host's monotonic clock, ``T_tracker_<tool>`` (4, 4) mm."""
    return {
        "index": exposure.index,
        "acquired_monotonic_s": exposure.acquired_monotonic_s,
        "poses": {name: pose.matrix.tolist() for name, pose in exposure.truth.poses.items()},
    }
