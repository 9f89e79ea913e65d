"""A vertebra of known shape: a box for a body, a tube for each pedicle, a bar for the arch, a round canal."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.anatomy.body import Canal
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import (
    FractureAssessment,
    FractureShape,
    GenantGrade,
    Heights,
    Side,
    Spine,
    Vertebra,
)
from planning_core.geometry import DistanceField, Grid, RigidTransform
from planning_core.geometry.arrays import FloatArray

LEVEL = VertebraLevel.L2
WALL_MM = 15.0
CANAL_RADIUS_MM = 8.0
ARCH_MM = (31.0, 38.0)


@attrs.frozen
class Tube:
    """One pedicle: inner radius, height of its axis above the body's middle, convergence toward the midline."""

    radius_mm: float = 3.5
    z_mm: float = 4.0
    convergence_deg: float = 0.0


def vertebra(
    left: Tube | None = None, right: Tube | None = None, body_half_height_mm: float = 12.0, grid_mm: float = 1.0
) -> Vertebra:
    """The vertebra in a turned and shifted pose in ct_lps."""
    left, right = left or Tube(), right or Tube()
    frame = f"vertebra_{LEVEL.value}"
    grid = Grid.centred(frame, (36.0, 48.0, 30.0), grid_mm)
    points = grid.all_points()
    body = _box(points, np.array([0.0, 0.0, 0.0]), np.array([21.0, WALL_MM, body_half_height_mm]))
    arch = _box(points, np.array([0.0, sum(ARCH_MM) / 2, 3.0]), np.array([26.0, np.diff(ARCH_MM)[0] / 2, 11.0]))
    tubes = [_tube(points, *axis(side, tube), tube.radius_mm) for side, tube in ((Side.LEFT, left), (Side.RIGHT, right))]
    # the pedicles' tubes run into body and arch; the canal stays free of them
    whole = np.minimum.reduce([body, arch, *tubes])
    free = np.hypot(points[..., 0], points[..., 1] - WALL_MM - CANAL_RADIUS_MM) - CANAL_RADIUS_MM
    middle = np.array([0.0, WALL_MM + CANAL_RADIUS_MM])
    pose = RigidTransform.from_parts("ct_lps", frame, _turn(12.0), (40.0, -25.0, 310.0))
    return Vertebra(
        LEVEL,
        pose,
        DistanceField(whole, grid),
        DistanceField(np.maximum(body, points[..., 1] - WALL_MM), grid),
        Canal(DistanceField(free, grid), middle, CANAL_RADIUS_MM, CANAL_RADIUS_MM, np.array([WALL_MM, 0.0, 0.0])),
        None,
        Heights(2 * body_half_height_mm, 2 * body_half_height_mm, 2 * body_half_height_mm),
        30.0,
        None,
        [grid_mm] * 3,
    )


def spine(only: Vertebra) -> Spine:
    """A spine of one vertebra."""
    heights = only.heights
    healthy = FractureAssessment(LEVEL, heights, Heights(0.0, 0.0, 0.0), GenantGrade.NONE, FractureShape.NONE, None)
    return Spine({LEVEL: only}, {LEVEL: healthy})


def axis(side: Side, tube: Tube) -> tuple[FloatArray, FloatArray]:
    """A point of a tube's axis (mm beside the canal's widest place) and its unit direction forwards, vertebra's frame."""
    sign = 1.0 if side is Side.LEFT else -1.0
    angle = np.radians(tube.convergence_deg)
    point = np.array([sign * (CANAL_RADIUS_MM + 2.0 + tube.radius_mm), WALL_MM + CANAL_RADIUS_MM / 2, tube.z_mm])
    return point, np.array([-sign * np.sin(angle), -np.cos(angle), 0.0])


def _tube(points: FloatArray, centre: FloatArray, way: FloatArray, radius: float) -> FloatArray:
    along = np.clip((points - centre) @ way, -14.0, 8.0)
    return np.asarray(np.linalg.norm(points - centre - along[..., None] * way, axis=-1) - radius)


def _box(points: FloatArray, centre: FloatArray, half: FloatArray) -> FloatArray:
    beyond = np.abs(points - centre) - half
    return np.asarray(np.linalg.norm(np.maximum(beyond, 0), axis=-1) + np.minimum(beyond.max(axis=-1), 0))


def _turn(degrees: float) -> FloatArray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
