"""Where the tips should come to lie: in the defect, or in the anterior third of the body."""

from __future__ import annotations

import numpy as np

from planning_core.cement.plan import CementPlan
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.plan import PathKind


def defect_centre(corridor: Corridor, cement: CementPlan | None, config: TrajectoryConfig) -> FloatArray | None:
    """(3,) middle of the defect on this side's half, lateral coordinates; ``None`` for a healthy level.

    A defect mostly lies *outside* existing bone (it is what collapsed), so its middle only says where cement is to go.
    """
    if cement is None or cement.deficit.value_ml < config.defect_least_ml or cement.defect.is_empty:
        return None
    areas = cement.defect.area_faces
    points = corridor.from_frame(corridor.to_ct.inverse().apply(cement.defect.triangles_center))
    here = points[:, 0] > 0
    if areas[here].sum() < 0.2 * areas.sum():
        here = np.ones(len(points), bool)
    return np.asarray(np.average(points[here], axis=0, weights=areas[here]))


def aim_point(
    corridor: Corridor, kind: PathKind, radius_mm: float, defect: FloatArray | None, config: TrajectoryConfig
) -> tuple[FloatArray, tuple[float, float]]:
    """Aim (3,) of the tip and the range its lateral coordinate must keep, lateral coordinates, mm.

    Bipedicular tips keep to their own half, a crossing tip ends at or just beyond the midline, a curved one in the other half.
    """
    lane = config.lane_share * corridor.width_mm
    edge = 0.45 * corridor.width_mm
    x, lateral = {
        PathKind.TRANSPEDICULAR: (lane, (radius_mm, edge)),
        PathKind.CROSSING: (-config.crossing_share * corridor.width_mm, (-lane, -0.5 * radius_mm)),
        PathKind.EXTRAPEDICULAR: (0.5 * lane, (0.0, edge)),
        PathKind.CURVED: (-lane, (-edge, -radius_mm)),
    }[kind]
    front = corridor.front(0.0)
    length = corridor.back_mm - front
    share = config.depth_share if defect is None else (defect[1] - front) / length
    y = front + float(np.clip(share, *config.depth_range)) * length
    # beside the midline the anterior wall curves back
    y = max(y, corridor.front(x) + config.anterior_margin_mm)
    bottom, top = corridor.middle_z(x, y)
    z = (bottom + top) / 2
    if defect is not None:
        # towards the defect as far as the bone that is there leaves room under or over the endplate
        room = radius_mm + config.comfortable_endplate_mm
        z = float(np.clip(defect[2], bottom + room, top - room)) if top - bottom > 2 * room else z
    return np.array([x, y, z]), lateral
