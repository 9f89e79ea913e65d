"""Everything that is true of a room at a time, for the devices of the room and for tests; no driver or node reads it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import NamedTuple

from hardware_sim.arm import ArmConfig, TrueGeometry
from hardware_sim.room.layout import Layout, layout
from hardware_sim.room.motion import RoomMotion
from hardware_sim.room.scan_pose import scan_joints
from hardware_sim.room.shared import RoomReader, SharedRoomError
from hardware_sim.room.spec import RoomSpec
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray


class ScanSituation(NamedTuple):
    """What a C-arm that turns now has before it; mm."""

    world_from_ct: RigidTransform
    world_from_plate: RigidTransform
    check_bead_mm: FloatArray
    spec: RoomSpec


class Room:
    """A room as its devices see it: still until its arm's process runs.

    Args:
        folder: the sim folder with ``room.json``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.spec = folder, RoomSpec.read(folder)
        self.layout: Layout = layout(self.spec)
        self.motion = RoomMotion(self.layout, self.spec.motion, self.spec.seed)
        self._reader: RoomReader | None = None
        self._start: tuple[RigidTransform, RigidTransform] | None = None

    def hear(self) -> None:
        """Take what has happened since the last time."""
        if self._reader is None:
            with contextlib.suppress(SharedRoomError):
                self._reader = RoomReader(self.folder, self.spec.epoch_s)
        if self._reader is not None:
            self.motion.take(self._reader.new_events())

    def arm(self, time_s: float) -> tuple[RigidTransform, RigidTransform]:
        """``T_world_plate`` and ``T_world_guide_tip``."""
        poses = None if self._reader is None else self._reader.poses(time_s)
        if poses is not None:
            return poses
        if self._start is None:
            geometry = TrueGeometry.seeded(ArmConfig(model=self.spec.arm), self.spec.seed)
            self._start = arm_poses(self.layout, geometry, scan_joints(self.spec))
        return self._start


def arm_poses(room: Layout, geometry: TrueGeometry, joints: FloatArray) -> tuple[RigidTransform, RigidTransform]:
    """``T_world_plate`` and ``T_world_guide_tip`` at the links' angles (6,) rad."""
    base = room.world_from_base.matrix @ geometry.flange(joints)
    return RigidTransform("world", "plate", base @ geometry.plate), RigidTransform("world", "guide_tip", base @ geometry.guide)


def scan_situation(folder: Path, time_s: float | None = None) -> ScanSituation:
    """The truth that a scan at a room's time sees (None: now): ``T_world_ct_lps``, ``T_world_plate``, bead (3,), the room.

    Where the C-arm stands and what it sees is ``layout(spec).world_from_carm`` and ``.carm_field_mm``.

    Raises:
        RoomFileError, SharedRoomError: see there.
    """
    room = Room(folder)
    room.hear()
    at = time.monotonic() - room.spec.epoch_s if time_s is None else time_s
    return ScanSituation(room.motion.world_from_ct(at), room.arm(at)[0], room.motion.bead(at), room.spec)
