"""Where things stand in a room before anything moves, drawn from its seed. All places assumed; mm, world frame.

world: middle of the table's top, x to the patient's head, y to the patient's left, z up; the patient lies prone. Table, trunk,
camera and arm stand where urdf/room.urdf.xacro draws them.
"""

from __future__ import annotations

import functools

import attrs
import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from hardware_sim.room.spec import RoomSpec
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.registration.plate import load_plate

PRONE = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""Columns: L, P and S of the patient in the world."""
TRUNK_TOP_MM = 200.0
"""Top of the trunk in urdf/room.urdf.xacro; the guide's way ends above it."""
SKIN_MM = TRUNK_TOP_MM + 2.0
EYE_MM = (350.0, 1100.0, 1050.0)
LOOKS_AT_MM = (0.0, 0.0, 200.0)
BASE_MM = {"ur5": (0.0, -450.0, 50.0), "ur5e": (0.0, -450.0, 50.0), "ur10e": (0.0, -620.0, 50.0)}
# the guide's tip is 149 mm behind the plate's face: it clears the back only where the face leans far over towards the camera
PLATE_LEAN_DEG = (73.0, 78.0)
PLATE_MARGIN_MM = 6.0
PLATE_TO_TRUNK_MM = 20.0
BODY_MM = (25.0, 20.0)
"""Half width of a vertebral body and how far it reaches before its middle: what a scan must show."""
FIELD_HEIGHT_MM = 130.0
FIELD_MM = (160.0, 400.0)
"""Diameters that a mobile C-arm and the large field of an O-arm see (assumed)."""


class RoomError(InputError):
    """Things cannot stand like this. Carries the numbers."""

    code = "room"


@attrs.frozen(eq=False)
class Layout:
    """A room at rest; transforms in mm.

    Args:
        world_from_ct: patient's CT breathed out. world_from_patient_ref: the reference clamped to the patient.
        world_from_tracker, world_from_base: of the camera and the arm.
        world_from_plate: where the plate is brought for the scan.
        bead_mm: (3,) check bead in ct_lps.
        world_from_carm: C-arm's isocentre with axes along the patient's L, P and S. carm_field_mm: diameter and height.
    """

    world_from_ct: RigidTransform
    world_from_patient_ref: RigidTransform
    world_from_tracker: RigidTransform
    world_from_base: RigidTransform
    world_from_plate: RigidTransform
    bead_mm: FloatArray
    world_from_carm: RigidTransform
    carm_field_mm: tuple[float, float]


@functools.lru_cache(maxsize=4)
def layout(spec: RoomSpec) -> Layout:
    """The same for the same specification.

    Raises:
        RoomError: the C-arm's field cannot hold vertebra, plate and check bead; carries ``needed_mm`` and ``field_mm``.
    """
    draw = np.random.default_rng([spec.seed, 30])
    field = np.array([draw.uniform(-60, 60), draw.uniform(-20, 20), SKIN_MM - spec.skin_mm])
    turn = Rotation.from_rotvec(np.deg2rad(draw.uniform(-1.5, 1.5, 3))).as_matrix() @ PRONE
    world_from_ct = RigidTransform.from_parts("world", "ct_lps", turn, field - turn @ np.array(spec.field_lps_mm))
    tracker = facing(EYE_MM + draw.uniform(-10, 10, 3), LOOKS_AT_MM)
    towards = np.array(EYE_MM) - [field[0], field[1], SKIN_MM]
    aside = draw.choice([-1.0, 1.0]) * draw.uniform(50, 80)
    lies = Rotation.from_rotvec(np.deg2rad(draw.uniform(-8, 8, 3))).as_matrix() @ tracker.rotation
    reference = RigidTransform.from_parts(
        "world", "patient_ref", lies, [field[0] + aside, field[1], SKIN_MM + draw.uniform(50, 70)]
    )
    plate = _plate_over(field, towards, np.deg2rad(draw.uniform(*PLATE_LEAN_DEG)))
    bead = spec.bead_lps_mm
    carm, seen = _carm(spec, field, np.vstack([plate.apply(load_plate().beads_mm), world_from_ct.apply(bead)]))
    base = RigidTransform.from_parts("world", "robot_base", np.eye(3), BASE_MM[spec.arm])
    return Layout(
        world_from_ct,
        reference,
        RigidTransform.from_parts("world", "tracker", tracker.rotation, tracker.translation_mm),
        base,
        plate,
        bead,
        carm,
        seen,
    )


def facing(eye: ArrayLike, target: ArrayLike) -> RigidTransform:
    """``T_world_tracker`` of a camera at ``eye``: z from the scene to the camera, x level, y up (Polaris' own axes)."""
    z = np.asarray(eye, dtype=np.float64) - np.asarray(target, dtype=np.float64)
    z /= np.linalg.norm(z)
    x = np.cross([0.0, 0, 1.0], z)
    x /= np.linalg.norm(x)
    return RigidTransform.from_parts("world", "tracker", np.column_stack([x, np.cross(z, x), z]), eye)


def _plate_over(field: FloatArray, towards: FloatArray, lean: float) -> RigidTransform:
    """The plate as low over the back as guide and edge allow, its long side along the spine, its face to the camera."""
    level = towards * [0.35, 1.0, 0.0]  # mostly sideways: the long side stays nearly along the C-arm's axis
    level /= np.linalg.norm(level)
    z = np.sin(lean) * level + np.cos(lean) * np.array([0.0, 0, 1.0])
    y = np.cos(lean) * level - np.sin(lean) * np.array([0.0, 0, 1.0])
    turn = np.column_stack([np.cross(y, z), y, z])
    edge = 60.0 * np.sin(lean) + 15.0 * np.cos(lean)
    tip = 148.9 * np.cos(lean) + 17.9 * np.sin(lean) + 8.0 * abs(np.sin(lean - np.pi / 3))
    height = TRUNK_TOP_MM + PLATE_TO_TRUNK_MM + PLATE_MARGIN_MM + max(edge, tip)
    middle = turn @ load_plate().beads_mm.mean(axis=0)
    return RigidTransform.from_parts("world", "plate", turn, [field[0] - middle[0], field[1] - middle[1], height])


def _carm(spec: RoomSpec, field: FloatArray, beads: FloatArray) -> tuple[RigidTransform, tuple[float, float]]:
    """The least cylinder along x that holds the body and all beads."""
    half, before = BODY_MM
    body = field + [[0.0, -half, -before], [0.0, half, -before]]
    across = np.vstack([body, beads])[:, 1:]
    heights = np.arange(across[:, 1].min(), across[:, 1].max(), 0.5)
    radii = np.array([np.hypot(across[:, 0] - field[1], across[:, 1] - z).max() for z in heights])
    needed = 2 * (float(radii.min()) + 4.0)
    along = 2 * (float(np.abs(beads[:, 0] - field[0]).max()) + 4.0)
    wide = min(max(FIELD_MM[0], 10.0 * np.ceil(needed / 10)), FIELD_MM[1])
    given = spec.carm_field_mm or (wide, max(FIELD_HEIGHT_MM, along))
    if needed > given[0] or along > given[1]:
        raise RoomError(
            f"the C-arm's field of {given[0]:.0f} x {given[1]:.0f} mm cannot hold vertebra and plate, "
            f"which need {needed:.0f} x {along:.0f} mm",
            needed_mm=[needed, along],
            field_mm=list(given),
        )
    middle = [field[0], field[1], float(heights[int(np.argmin(radii))])]
    return RigidTransform.from_parts("world", "carm", PRONE, middle), (float(given[0]), float(given[1]))
