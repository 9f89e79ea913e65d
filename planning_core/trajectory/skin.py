"""From bone out to the skin."""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume

AIR_BELOW_HU = -300.0
AIR_RUN_MM = 8.0
FARTHEST_MM = 250.0


def skin_distance(ct: CtVolume, entry_lps_mm: FloatArray, outwards_lps: FloatArray) -> float | None:
    """Way from an entry along a direction to the first long run of air, mm; ``None`` where the volume ends before."""
    steps = np.arange(0.0, FARTHEST_MM, 0.5)
    points = entry_lps_mm + steps[:, None] * outwards_lps
    inside = ct.grid.contains(points)
    air = ct.at(points) < AIR_BELOW_HU
    run = round(AIR_RUN_MM / 0.5)
    for start in range(len(steps) - run):
        if not inside[start]:
            return None
        if air[start : start + run].all():
            return float(steps[start])
    return None
