"""How deep under the back's skin a point of a CT lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage as ndi

from planning_core.errors import InputError
from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray

AIR_BELOW_HU = -300.0
GAP_MM = 6.0
"""So much air in one piece is outside the patient; what lies behind it is the scanner's table."""
STEP_MM = 0.5
FURTHEST_MM = 250.0


def skin_behind(hu: Any, grid: Grid, point_lps_mm: FloatArray) -> float:
    """Distance in mm from a point backwards (P) to the skin, or to the CT's border where that cuts the back off.

    Args:
        hu: (nk, nj, ni) HU on ``grid``. point_lps_mm: (3,), in the patient.

    Raises:
        InputError: the point is outside the CT, or in air.
    """
    way = np.arange(0.0, FURTHEST_MM, STEP_MM)
    points = np.asarray(point_lps_mm) + way[:, None] * [0.0, 1.0, 0.0]
    seen = ndi.map_coordinates(np.asarray(hu), grid.indices(points).T, order=1, mode="constant", cval=-1024.0, output=np.float32)
    air = seen < AIR_BELOW_HU
    if air[0]:
        raise InputError(
            f"the point {np.round(point_lps_mm, 1).tolist()} mm (LPS) is not inside the patient: {seen[0]:.0f} HU",
            point_lps_mm=[float(v) for v in point_lps_mm],
            hu=float(seen[0]),
        )
    run = int(GAP_MM / STEP_MM)
    outside = np.convolve(air, np.ones(run, dtype=int), mode="valid") == run
    return float(way[int(np.argmax(outside))]) if outside.any() else float(way[-1])
