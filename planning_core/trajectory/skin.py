"""How far the skin is from the bone along a path, and whether lung lies between."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume

STEP_MM = 1.0
FARTHEST_MM = 250.0
AIR_RUN_MM = 6.0
TISSUE_RUN_MM = 15.0
TISSUE_HU = -200.0


@attrs.frozen
class WayIn:
    """The way from skin to bone.

    Args:
        skin_mm: from the first air outside the patient to the entry; ``None`` where the scan ends in tissue.
        through_air: whether the way leads through air inside the patient (lung).
    """

    skin_mm: float | None
    through_air: bool


def way_in(ct: CtVolume, entry_lps: FloatArray, direction_lps: FloatArray, air_hu: float) -> WayIn:
    """Follow a path backwards from its entry to the skin.

    The skin is where the first run of air begins; a run of air behind which soft tissue follows again was lung (the table's
    shell is thinner than ``TISSUE_RUN_MM``).

    Args:
        entry_lps, direction_lps: (3,) ct_lps, direction forwards. air_hu: darker is air.
    """
    steps = np.arange(0, FARTHEST_MM, STEP_MM)
    points = entry_lps - steps[:, None] * direction_lps
    inside = ct.grid.contains(points)
    last = int((~inside).argmax()) if not inside.all() else len(steps)
    hu = ct.at(points[:last])
    starts = _runs(hu < air_hu, int(AIR_RUN_MM / STEP_MM))
    if not starts:
        return WayIn(None, False)
    tissue = _runs(hu > TISSUE_HU, int(TISSUE_RUN_MM / STEP_MM))
    if any(start > starts[0] for start in tissue):
        outside = [a for a in starts if a > tissue[-1]]
        return WayIn(float(steps[outside[0]]) if outside else None, True)
    return WayIn(float(steps[starts[0]]), False)


def _runs(flags: np.ndarray, length: int) -> list[int]:
    """Indices at which runs of at least ``length`` true values begin."""
    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [int(b) for b, e in zip(begins, ends, strict=True) if e - b >= length]
