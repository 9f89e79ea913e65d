"""How far the deficit may be off, cause by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from planning_core.anatomy.vertebra import Vertebra
from planning_core.cement.config import CementConfig
from planning_core.cement.plan import VolumeInterval
from planning_core.cement.template import Template

NINETY = 1.645
"""Half-width of 90 % of a normal distribution, in sigmas."""
FAR_OFF_MM = 1.0


def deficit_interval(
    volume_ml: float, alone_ml: Sequence[float], target: Vertebra, template: Template, config: CementConfig
) -> tuple[VolumeInterval, Mapping[str, float]]:
    """Interval of the deficit and the half-width each cause would give alone.

    Args:
        volume_ml: the deficit. alone_ml: what each neighbour alone gives.

    The causes, added in squares: a level's height differs from what its neighbours lead one to expect (a share of the ideal
    body, larger where they are far or only on one side); the neighbours in place disagree (half their difference); boundaries
    lie within a voxel (a third of it on both endplates, half of which is common to template and target and cancels).
    """
    area = float((target.body.values < 0).any(axis=0).sum()) * float(np.prod(target.body.grid.spacing_mm[:2]))
    sigmas = {
        "levels differ": config.level_spread[template.source] * template.ideal.volume_ml(),
        "shape model": template.shape_ml,
        "neighbours disagree": float(np.ptp(alone_ml)) / 2 if len(alone_ml) > 1 else 0.0,
        "voxel size": float(target.voxel_mm[2]) / 3 * np.sqrt(2) * 0.5 * area / 1000,
    }
    half = NINETY * float(np.sqrt(sum(s**2 for s in sigmas.values())))
    low, high = max(0.0, volume_ml - half), volume_ml + half
    return VolumeInterval(volume_ml, low, high), {k: float(NINETY * v) for k, v in sigmas.items()}


def boundary_bias(template: Template, config: CementConfig) -> float:
    """Mean signed distance of standing walls and arch from the neighbours in place, mm; negative: the target lies inside.

    A mask drawn too small or too large shows here, since bone that stands does not shrink with the collapse. Arches that are
    not quite congruent lie outside each other more than inside: what that gives between sound masks is taken off.
    """
    if not template.fits:
        return 0.0
    return -config.congruence_mm + float(
        np.mean([np.mean(np.clip(fit.off_mm, -FAR_OFF_MM, FAR_OFF_MM)) for fit in template.fits])
    )
