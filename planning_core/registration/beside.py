"""The bones above and below a vertebra: what tells its place from a neighbour's where the vertebra alone does not.

A vertebra lies on its neighbour nearly as well as on itself now and then; the bones beside it then lie on others in turn, the
broken one on a sound one. Each side is laid over the scan by itself, from where the vertebra puts it, as a spine bends between
two scans.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.resample import Scales
from planning_core.registration.config import CarryConfig
from planning_core.registration.intensity import align_intensity


class BesideConfig(BaseModel):
    """How the bones beside a vertebra are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    step_mm: float = Field(3.0, gt=0.5, le=6, description="between points")
    half_width_mm: float = Field(40.0, gt=0, description="to the left and right of the vertebra's middle")
    depth_mm: tuple[float, float] = Field((-25.0, 65.0), description="before and behind the body's middle")
    height_mm: tuple[float, float] = Field((8.0, 44.0), description="above, and below, the body's middle")
    bone_hu: float = Field(100.0, description="above which it is taken for bone")
    clear_mm: float = Field(3.0, ge=0, description="off the vertebra itself")
    min_points: int = Field(400, ge=200, description="of bone on a side, else nothing is said of it")
    min_in_view: float = Field(0.6, gt=0, le=1, description="share of a side that the scan must show")
    most_mm: float = Field(8.0, gt=0, description="a side that moved further fits elsewhere, not here; posture moves it 2 to 3")
    lead: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="mean correlation by which the right place leads: at it 0.88 and more, elsewhere up to 0.74 "
        "(benchmarks/registration.py)",
    )


def bone_beside(preop: Scales, vertebra: Vertebra, config: BesideConfig, samples: int = 1500) -> tuple[FloatArray, FloatArray]:
    """(n, 3) and (m, 3) ct_lps mm: bone above and below the vertebra, an even draw of each."""
    ranges = ((-config.half_width_mm, config.half_width_mm), config.depth_mm, config.height_mm)
    axes = [np.arange(low, high, config.step_mm) for low, high in ranges]
    box = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    sides = []
    for way in (1, -1):
        local = box * [1, 1, way]
        points = vertebra.ct_lps_from_vertebra.apply(local[vertebra.whole.at(local) > config.clear_mm])
        points = points[preop.at(config.step_mm).at(points) > config.bone_hu]
        chosen = np.random.default_rng(0).permutation(len(points))[:samples]
        sides.append(points[np.sort(chosen)])
    return sides[0], sides[1]


def correlation_beside(
    preop: Scales, points_mm: FloatArray, intraop: Scales, place: RigidTransform, config: BesideConfig, carry: CarryConfig
) -> float | None:
    """How one side's Hounsfield units correlate where the vertebra's place puts it, moved a little; 0 where that moves it away.

    Args:
        points_mm: (n, 3) preop ct_lps. place: T_ct_lps_preop_lps of the vertebra. carry: levels of the refinement.

    Returns:
        None where there is too little bone or the scan does not show it.
    """
    there = place.apply(points_mm)
    coarse = intraop.at(max(carry.levels_mm))
    if len(points_mm) < config.min_points or coarse.grid.contains(there).mean() < config.min_in_view:
        return None
    fit = align_intensity(preop, points_mm, intraop, place, carry)
    moved = float(np.linalg.norm(fit.transform.apply(points_mm) - there, axis=1).mean())
    return max(0.0, fit.correlation) if moved <= config.most_mm else 0.0
