"""The joints at which the arm, brought by hand, holds the plate over the back: solved on the arm's true geometry."""

from __future__ import annotations

import functools

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from hardware_sim.arm import ArmConfig, TrueGeometry
from hardware_sim.room.layout import TRUNK_TOP_MM, RoomError, layout
from hardware_sim.room.spec import RoomSpec
from planning_core.geometry.arrays import FloatArray

ROUND_MM = 200.0
"""One radian counts like this many mm while solving."""
CLEAR_MM = 90.0
"""Joints' middles stay so far above the trunk (a link's radius, and room to begin in)."""
TRIES = 40
ENOUGH = 0.5
"""Room left that is not improved on."""


@functools.lru_cache(maxsize=4)
def scan_joints(spec: RoomSpec) -> FloatArray:
    """(6,) rad; the same for the same specification.

    Raises:
        RoomError: no joints put the plate there with the arm above the patient and away from singular poses.
    """
    geometry = TrueGeometry.seeded(ArmConfig(model=spec.arm), spec.seed)
    room = layout(spec)
    target = room.world_from_base.inverse().matrix @ room.world_from_plate.matrix
    flange = target @ np.linalg.inv(geometry.plate)
    draw = np.random.default_rng([spec.seed, 32])
    best: tuple[float, FloatArray] | None = None
    for _ in range(TRIES):
        start = np.array([np.pi / 2, -1.4, 1.6, -1.7, -1.6, 0.0]) + draw.uniform(-1, 1, 6) * [1.0, 0.6, 0.6, 0.8, 0.6, 3.1]

        def off(joints: FloatArray) -> FloatArray:
            here = geometry.flange(joints)
            turn = Rotation.from_matrix(here[:3, :3].T @ flange[:3, :3]).as_rotvec()
            return np.concatenate([here[:3, 3] - flange[:3, 3], turn * ROUND_MM])

        found = least_squares(off, start, method="lm", max_nfev=400)
        if np.linalg.norm(found.fun) > 1e-3:
            continue
        joints = np.mod(found.x + np.pi, 2 * np.pi) - np.pi
        room_left = _room_left(geometry, joints, room.world_from_base.matrix)
        if room_left > 0 and (best is None or room_left > best[0]):
            best = (room_left, joints)
        if best is not None and best[0] > ENOUGH:
            break
    if best is None:
        raise RoomError(f"the {spec.arm} cannot hold the plate over the field of room {spec.seed}", seed=spec.seed, arm=spec.arm)
    best[1].flags.writeable = False
    return best[1]


def _room_left(geometry: TrueGeometry, joints: FloatArray, world_from_base: FloatArray) -> float:
    """How far from trouble, as a share of what is wanted; negative where it is not kept."""
    angles, pose, places = joints, np.eye(4), []
    for row, angle in zip(geometry.rows, angles, strict=True):
        pose = pose @ _link(row, float(angle))
        places.append((world_from_base @ pose)[:3, 3])
    elbow = abs(np.sin(angles[2])) / 0.35 - 1
    wrist = abs(np.sin(angles[4])) / 0.35 - 1
    stops = (np.pi - 0.15 - abs(angles[2])) / 0.5
    fore, hand = places[2] - places[1], places[5] - places[2]
    # a hand folded back along the forearm comes too close to it
    open_hand = float(fore @ hand / np.linalg.norm(fore) / np.linalg.norm(hand)) + 0.1
    above = (min(float(p[2]) for p in places[1:]) - TRUNK_TOP_MM - CLEAR_MM) / CLEAR_MM
    return float(min(elbow, wrist, stops, above, open_hand / 0.2))


def _link(row: FloatArray, angle: float) -> FloatArray:
    offset, d, a, alpha, _ = row
    c, s, ca, sa = np.cos(angle + offset), np.sin(angle + offset), np.cos(alpha), np.sin(alpha)
    return np.array([[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1.0]])
