"""How far the deficit may be off, cause by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from planning_core.anatomy.vertebra import Vertebra
from planning_core.cement.config import CementConfig
from planning_core.cement.fit import Fit
from planning_core.cement.plan import VolumeInterval

NINETY = 1.645
"""Half-width of 90 % of a normal distribution, in sigmas."""


def deficit_interval(
    volume_ml: float, alone_ml: Sequence[float], target: Vertebra, fit: Fit, config: CementConfig
) -> tuple[VolumeInterval, Mapping[str, float]]:
    """Interval of the deficit and the half-width each cause would give alone.

    Args:
        volume_ml: the deficit. alone_ml: what each neighbour alone gives. fit: its residual.

    The causes: neighbours that disagree (half their difference), the fit (its residual acting on one endplate, correlated
    over about a quarter of it), boundaries (a third of a voxel on both endplates, half of which is common to template and
    target and cancels). Added in squares.
    """
    area = float((target.body.values < 0).any(axis=0).sum()) * float(np.prod(target.body.grid.spacing_mm[:2]))
    spread = float(np.ptp(alone_ml)) / 2 if len(alone_ml) > 1 else 0.25 * (area * target.heights.posterior_mm / 1000) ** 0.75
    sigmas = {
        "neighbour disagreement": spread,
        "fit residual": 0.5 * fit.residual_mm * area / 1000,
        "voxel size": float(target.voxel_mm[2]) / 3 * np.sqrt(2) * 0.5 * area / 1000,
    }
    half = config.interval_factor * NINETY * float(np.sqrt(sum(s**2 for s in sigmas.values())))
    low, high = max(0.0, volume_ml - half), volume_ml + half
    return VolumeInterval(volume_ml, low, high), {k: float(NINETY * config.interval_factor * v) for k, v in sigmas.items()}
