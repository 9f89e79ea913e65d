"""The truth that the simulated devices of one room share. No driver or node may read it."""

from hardware_sim.room.layout import Layout, RoomError, layout
from hardware_sim.room.scan_pose import scan_joints
from hardware_sim.room.spec import ROOM_FILE, RoomFileError, RoomSpec
from hardware_sim.room.truth import Room, ScanSituation, arm_poses, scan_situation

__all__ = [
    "ROOM_FILE",
    "Layout",
    "Room",
    "RoomError",
    "RoomFileError",
    "RoomSpec",
    "ScanSituation",
    "arm_poses",
    "layout",
    "scan_joints",
    "scan_situation",
]
