"""The room before the tracker's camera: ``python -m hardware_sim.tracker --scene hardware_sim.room.scene:scene --epoch …``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from hardware_sim.room.spec import RoomFileError
from hardware_sim.room.truth import Room
from hardware_sim.tracker.scene import PATIENT_REF, PROBE_TIP, TRACKER, Occluder, PhysicalTool, SceneState
from planning_core.geometry import RigidTransform
from planning_core.registration.plate import load_plate

SIM_FOLDER = "OPENPKP_SIM"
"""Environment variable: the sim folder."""


def tools() -> dict[str, PhysicalTool]:
    """Patient reference, probe, and the marker plate on the arm."""
    robot_ref = PhysicalTool("robot_ref", load_plate().markers_mm)
    return {tool.name: tool for tool in (PATIENT_REF, PROBE_TIP, robot_ref)}


@attrs.define(eq=False)
class RoomScene:
    """What the camera sees; its time is the room's (the tracker is started with the room's epoch)."""

    room: Room
    tools: Mapping[str, PhysicalTool] = attrs.field(factory=tools)

    def __call__(self, time_s: float) -> SceneState:
        """The truth at ``time_s`` of the room."""
        room = self.room
        room.hear()
        motion, tracker_from_world = room.motion, room.layout.world_from_tracker.inverse()
        plate = RigidTransform("world", "robot_ref", room.arm(time_s)[0].matrix)
        poses = {
            "patient_ref": tracker_from_world @ motion.world_from_patient_ref(time_s),
            "robot_ref": tracker_from_world @ plate,
        }
        probe = motion.world_from_probe(time_s)
        if probe is not None:
            poses["probe_tip"] = tracker_from_world @ probe
        thing = motion.occluder(time_s)
        blocked = () if thing is None else (Occluder(tracker_from_world.apply(thing[0]), thing[1]),)
        assert all(pose.dst == TRACKER for pose in poses.values())
        return SceneState(poses, blocked)


def scene() -> RoomScene:
    """The scene of the sim folder that OPENPKP_SIM names.

    Raises:
        RoomFileError: the variable is not set, or its room cannot be read.
    """
    folder = os.environ.get(SIM_FOLDER)
    if not folder:
        raise RoomFileError(f"{SIM_FOLDER} does not name a sim folder", problems=[f"{SIM_FOLDER} is not set"])
    return RoomScene(Room(Path(folder)))
