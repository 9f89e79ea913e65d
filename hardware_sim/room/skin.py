"""Where the skin of the back lies behind a point of a CT."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage as ndi

from planning_core.errors import InputError
from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray

AIR_BELOW_HU = -300.0
PARTS = 2
"""Layers taken off the tissue before it is split: blanket and table come loose from the patient."""
ASIDE = np.arange(-100.0, 101.0)
BEHIND = np.arange(-60.0, 221.0)


def skin_behind(hu: Any, grid: Grid, point_lps_mm: FloatArray, up_mm: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """The back's outline in one axial plane, to the CT's border where that cuts the back off.

    Args:
        hu: (nk, nj, ni) HU on ``grid``. point_lps_mm: (3,), in the patient. up_mm: plane's distance to the head of the point.

    Returns:
        (n,) mm to the left of the point, (n,) mm from the point's own height backwards to the skin; NaN where no patient is.

    Raises:
        InputError: the point (in that plane) is outside the CT, or in air.
    """
    left, back = np.meshgrid(ASIDE, BEHIND, indexing="ij")
    points = np.asarray(point_lps_mm) + np.stack([left, back, np.full_like(left, up_mm)], axis=-1)
    index = grid.indices(points).reshape(-1, 3).T
    seen = ndi.map_coordinates(np.asarray(hu), index, order=1, mode="constant", cval=-1024.0, output=np.float32).reshape(
        left.shape
    )
    parts, _ = ndi.label(ndi.binary_erosion(ndi.binary_fill_holes(seen > AIR_BELOW_HU), iterations=PARTS))
    here = parts[int(np.argmin(abs(ASIDE))), int(np.argmin(abs(BEHIND)))]
    if not here:
        place = np.round(np.asarray(point_lps_mm) + [0.0, 0.0, up_mm], 1).tolist()
        raise InputError(f"the point {place} mm (LPS) is not inside the patient", point_lps_mm=place)
    body = ndi.binary_dilation(parts == here, iterations=PARTS)
    last = BEHIND[len(BEHIND) - 1 - np.argmax(body[:, ::-1], axis=1)]
    return ASIDE.copy(), np.where(body.any(axis=1), last + 0.5, np.nan)
