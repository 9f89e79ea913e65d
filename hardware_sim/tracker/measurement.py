"""What the camera sees of each sphere: sight, field of view, and noise that is worse in depth.

Model: one sigma of jitter grows with depth across the view and with depth² along it (two-camera triangulation); on top lies
a smooth systematic error that is fixed in the tracker frame, so it does not average out over frames.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import MappingProxyType

import attrs
import numpy as np

from hardware_sim.tracker.config import CameraConfig, VolumeConfig
from hardware_sim.tracker.scene import Occluder, PhysicalTool, SceneState
from planning_core.geometry.arrays import BoolArray, FloatArray, frozen

_BIAS_WAVES = 6


@attrs.frozen(eq=False)
class MarkerView:
    """The spheres of one tool in one frame, in the tool's marker order.

    Args:
        points_mm: (n, 3) measured centres, tracker frame, mm.
        seen: (n,) a centre was measured.
        inside: (n,) it lies in the characterised volume.
    """

    points_mm: FloatArray
    seen: BoolArray
    inside: BoolArray


@attrs.frozen(eq=False)
class Observation:
    """All that was measured in one exposure: spheres by physical tool, and strays (m, 3) in mm."""

    frame_index: int
    tools: Mapping[str, MarkerView]
    strays_mm: FloatArray


def inside_volume(points_mm: FloatArray, volume: VolumeConfig) -> BoolArray:
    """Which of (n, 3) points, tracker frame, lie in the pyramid."""
    depth = -points_mm[:, 2]
    share = (depth - volume.near_mm) / (volume.far_mm - volume.near_mm)
    near, far = np.array(volume.near_half_mm), np.array(volume.far_half_mm)
    half = near + share[:, None] * (far - near)
    inside: BoolArray = (share >= 0) & (share <= 1) & (np.abs(points_mm[:, :2]) <= half).all(axis=1)
    return inside


def blocked(points_mm: FloatArray, occluders: tuple[Occluder, ...]) -> BoolArray:
    """Which of (n, 3) points the camera at the origin cannot see past the spheres in the way."""
    hidden = np.zeros(len(points_mm), dtype=np.bool_)
    for occluder in occluders:
        length = np.linalg.norm(points_mm, axis=1)
        direction = points_mm / length[:, None]
        along = np.clip(direction @ occluder.centre_mm, 0.0, length)
        hidden |= np.linalg.norm(along[:, None] * direction - occluder.centre_mm, axis=1) < occluder.radius_mm
    return hidden


class MeasurementModel:
    """Turns the true scene into measured spheres; the same seed and frame index give the same numbers.

    Args:
        config: the camera.
        seed: of jitter, dropouts, strays and of the systematic error.
    """

    def __init__(self, config: CameraConfig, seed: int) -> None:
        self.config = config
        self._seed = seed
        random = np.random.default_rng([seed, 0xB1A5])
        directions = random.normal(size=(_BIAS_WAVES, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        self._waves = 2.0 * np.pi / config.bias_wavelength_mm * directions
        self._phases = random.uniform(0.0, 2.0 * np.pi, size=(_BIAS_WAVES, 3))
        weight = np.array([1.0, 1.0, config.depth_ratio])
        self._bias_mm = config.bias_rms_mm * np.sqrt(2.0 / _BIAS_WAVES) * weight / np.linalg.norm(weight)

    def bias(self, points_mm: FloatArray) -> FloatArray:
        """The systematic error (n, 3) mm at points (n, 3) of the tracker frame."""
        angle = (points_mm @ self._waves.T)[:, :, None] + self._phases[None]
        error: FloatArray = self._bias_mm * np.sin(angle).sum(axis=1)
        return error

    def latency_s(self, frame_index: int) -> float:
        """Time from exposure to data ready of this frame, seconds."""
        jitter = np.random.default_rng([self._seed, frame_index, 0x7A7]).normal(0.0, self.config.latency_sd_ms)
        limit = 3.0 * self.config.latency_sd_ms
        return max(0.0, self.config.latency_ms + float(np.clip(jitter, -limit, limit))) / 1e3

    def observe(self, frame_index: int, tools: Mapping[str, PhysicalTool], state: SceneState) -> Observation:
        """The spheres measured in frame ``frame_index`` of the true ``state``."""
        views = {name: self._view(frame_index, tools[name], state) for name in state.poses if name in tools}
        random = np.random.default_rng([self._seed, frame_index, 0x57A])
        strays = np.empty((0, 3))
        if random.uniform() < self.config.stray_probability:
            strays = self._stray(random)
        return Observation(frame_index, MappingProxyType(views), frozen(strays))

    def _view(self, frame_index: int, tool: PhysicalTool, state: SceneState) -> MarkerView:
        pose = state.poses[tool.name]
        true = pose.apply(tool.markers_mm)
        random = np.random.default_rng([self._seed, frame_index, zlib.crc32(tool.name.encode())])
        depth = np.maximum(-true[:, 2], 1.0) / self.config.reference_depth_mm
        sigma = self.config.jitter_lateral_mm * np.stack([depth, depth, self.config.depth_ratio * depth**2], axis=1)
        measured = true + self.bias(true) + sigma * random.normal(size=true.shape)
        to_camera = -true / np.linalg.norm(true, axis=1, keepdims=True)
        facing = pose.rotate(tool.facing)
        open_side = to_camera @ facing >= np.cos(np.radians(tool.hidden_beyond_deg)) * np.linalg.norm(facing)
        inside = inside_volume(true, self.config.volume)
        lost = random.uniform() < self.config.dropout_probability
        # behind or beside the camera nothing is imaged at all; a little outside the pyramid spheres are still measured
        imaged = (true[:, 2] < -0.8 * self.config.volume.near_mm) & (-true[:, 2] < 1.25 * self.config.volume.far_mm)
        seen = imaged & open_side & ~blocked(true, state.occluders) & (not lost)
        return MarkerView(frozen(measured), frozen(seen, np.bool_), frozen(inside, np.bool_))

    def _stray(self, random: np.random.Generator) -> FloatArray:
        volume = self.config.volume
        share = random.uniform()
        half = np.array(volume.near_half_mm) * (1 - share) + np.array(volume.far_half_mm) * share
        across = random.uniform(-half, half)
        return np.array([[*across, -(volume.near_mm + share * (volume.far_mm - volume.near_mm))]])
