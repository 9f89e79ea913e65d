"""A simulated NDI Polaris: speaks the combined API on a pseudo-terminal (docs/devices/tracker.md)."""

from hardware_sim.tracker.config import CAMERAS, CameraConfig, VolumeConfig
from hardware_sim.tracker.device import PolarisDevice
from hardware_sim.tracker.frames import FrameSource
from hardware_sim.tracker.scene import Occluder, PhysicalTool, SceneProvider, SceneState, ScriptedScene
from hardware_sim.tracker.service import TrackerService

__all__ = [
    "CAMERAS",
    "CameraConfig",
    "FrameSource",
    "Occluder",
    "PhysicalTool",
    "PolarisDevice",
    "SceneProvider",
    "SceneState",
    "ScriptedScene",
    "TrackerService",
    "VolumeConfig",
]
