"""The canal as it is drawn: of each height the piece that the vertebra there encloses."""

from __future__ import annotations

import numpy as np

from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.geometry.arrays import FloatArray

REACH_MM = 24.0
"""Half a lumbar vertebra with its discs: farther from every modelled vertebra the canal's course is not known."""
NEAREST_WEIGHS = 4
"""Fields are averaged by this power of the inverse height from each body's middle: half and half between two bodies."""


def canal_at(spine: Spine, vertebra: Vertebra, points: FloatArray) -> FloatArray:
    """Signed distance of the canal, mm, at points (..., 3) in one vertebra's frame; NaN where no vertebra is near.

    A vertebra's own field goes on straight above and below it, which in a bent spine would run through its neighbours' bone.
    """
    around = [v for v in spine.vertebrae.values() if abs(v.level.ordinal - vertebra.level.ordinal) <= 2]
    there = [(v.ct_lps_from_vertebra.inverse() @ vertebra.ct_lps_from_vertebra).apply(points) for v in around]
    heights = np.stack([np.abs(p[..., 2]) for p in there])
    weight = 1 / np.maximum(heights, 0.1) ** NEAREST_WEIGHS
    fields = np.stack([v.canal.at(p) for v, p in zip(around, there, strict=True)])
    blended = (weight * fields).sum(axis=0) / weight.sum(axis=0)
    return np.asarray(np.where(heights.min(axis=0) <= REACH_MM, blended, np.nan))
