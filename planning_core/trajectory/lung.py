"""How near the cannula's way comes to lung: the one neighbour outside the spine that any CT shows without a model of it."""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume

STEP_MM = 1.0
RING_STEP_MM = 0.5
DIRECTIONS = 24
FARTHEST_MM = 60.0
BEFORE_SKIN_MM = 20.0


def lung_distance_mm(
    ct: CtVolume, entry_lps: FloatArray, direction_lps: FloatArray, skin_mm: float | None, air_hu: float, within_mm: float
) -> float:
    """Distance from a path's axis to the nearest air beside it, from the bone outwards; infinite beyond ``within_mm``.

    The last ``BEFORE_SKIN_MM`` are left out, where the air beside the path is the room's.

    Args:
        ct: the volume. entry_lps, direction_lps: (3,) ct_lps, direction forwards. skin_mm: way from skin to entry, if known.
        air_hu: darker is air.
    """
    length = FARTHEST_MM if skin_mm is None else min(FARTHEST_MM, skin_mm - BEFORE_SKIN_MM)
    way = entry_lps - np.arange(0.0, max(length, STEP_MM), STEP_MM)[:, None] * direction_lps
    across = np.cross(direction_lps, np.eye(3)[np.abs(direction_lps).argmin()])
    across /= np.linalg.norm(across)
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    ring = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * np.cross(direction_lps, across)
    radii = np.arange(0.0, within_mm + RING_STEP_MM / 2, RING_STEP_MM)
    points = way[:, None, None] + radii[:, None, None] * ring
    # beyond the scan nothing is known, so nothing is counted
    index = ct.grid.indices(points)
    known = ((index >= 0) & (index <= np.array(ct.grid.shape) - 1)).all(axis=-1)
    air = known & (ct.at(points) < air_hu)
    near = air.any(axis=(0, 2))
    return float(radii[near.argmax()]) if near.any() else float("inf")
