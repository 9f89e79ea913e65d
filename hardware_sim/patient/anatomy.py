"""Measures of a made-up spine: level by level from published morphometry, varied by a seed."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry.arrays import FloatArray

LEVELS = tuple(VertebraLevel(n) for n in ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"))

#          posterior height, anterior/posterior, width, depth, pedicle width, height, spread of pedicles, disc
_TABLE = {
    "T9": (21.5, 0.96, 31.0, 29.0, 6.3, 12.0, 21.0, 4.5),
    "T10": (22.8, 0.96, 32.5, 30.0, 6.8, 13.5, 22.0, 5.0),
    "T11": (23.9, 0.95, 35.0, 31.0, 7.8, 15.0, 24.0, 5.5),
    "T12": (25.0, 0.94, 38.0, 32.0, 8.3, 15.0, 27.0, 6.5),
    "L1": (26.6, 0.94, 41.2, 33.0, 8.0, 15.4, 31.3, 7.5),
    "L2": (27.0, 0.96, 42.6, 34.0, 8.5, 14.9, 32.3, 8.5),
    "L3": (26.7, 1.00, 44.1, 34.5, 10.0, 14.5, 35.1, 9.5),
    "L4": (25.8, 1.04, 46.6, 35.0, 12.0, 14.2, 39.2, 10.5),
    "L5": (24.1, 1.14, 47.3, 35.5, 15.0, 14.7, 46.0, 10.0),
}
"""Millimetres. Heights: Bonczar 2024 (lumbar), Panjabi's steps (thoracic); widths of bodies and canals: Panjabi 1992; pedicles:
PMC4857161, PMC11624215, Zindrick 1987; discs: assumed."""


class FractureSpec(BaseModel):
    """A fracture of known kind: loss of anterior height (wedge), of the middle (biconcave) or of all (crush)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: str = "L1"
    kind: Literal["wedge", "biconcave", "crush"] = "wedge"
    loss: float = Field(0.35, ge=0.1, le=0.5)
    cleft: bool = False


class PatientSpec(BaseModel):
    """Everything a made-up patient depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    fracture: FractureSpec | None = FractureSpec()
    spacing_mm: tuple[float, float, float] = Field((0.9, 0.9, 1.25), description="of the CT, x y z")
    noise_hu: float = Field(18.0, ge=0)
    marrow_hu: float = Field(110.0, description="spongiosa; osteoporotic below about 110 (FACTS 4)")


@attrs.frozen(eq=False)
class VertebraShape:
    """One vertebra's measures, mm, and its place: ``axes`` columns left, posterior, superior; ``centre`` of the body, LPS."""

    level: VertebraLevel
    posterior: float
    anterior: float
    width: float
    depth: float
    pedicle_width: float
    pedicle_height: float
    pedicle_spread: float
    disc_below: float
    centre: FloatArray
    axes: FloatArray
    slant: FloatArray


def shapes(spec: PatientSpec) -> list[VertebraShape]:
    """Vertebrae from T9 to L5, stacked along a curve with thoracolumbar kyphosis, lordosis and a little scoliosis."""
    rng = np.random.default_rng(spec.seed)
    size = rng.uniform(0.92, 1.08)
    lordosis, scoliosis, slope = rng.uniform(0.8, 1.2), np.radians(rng.normal(0, 4)), np.radians(rng.normal(0, 1.5))
    rows = {v: np.array(_TABLE[v.value]) * size * rng.normal(1, 0.025, 8) for v in LEVELS}
    for v in LEVELS:  # the second entry is a ratio, not a length
        rows[v][1] = _TABLE[v.value][1] * float(rng.normal(1, 0.01))
    heights = [rows[v][0] * (1 + rows[v][1]) / 2 for v in LEVELS]
    placed, point = [], np.array([0.0, 0.0, 0.0])
    for n, level in enumerate(LEVELS):
        back, ratio, width, depth, pw, ph, spread, disc = (float(x) for x in rows[level])
        # sagittal tilt of the body's axis along the chain: kyphotic above T12, lordotic below
        tilt = np.radians(8 - 30 * lordosis * max(0.0, (n - 2) / 6) ** 1.5) + slope
        lean = scoliosis * np.sin(np.pi * n / 8)
        up = np.array([np.sin(lean), np.sin(tilt) * np.cos(lean), np.cos(tilt) * np.cos(lean)])
        posterior = np.array([0.0, 1.0, 0.0]) - up[1] * up
        posterior /= np.linalg.norm(posterior)
        axes = np.column_stack([np.cross(posterior, up), posterior, up])
        centre = point - up * heights[n] / 2
        slant = rng.normal(0, 1, 6)
        placed.append(VertebraShape(level, back, back * ratio, width, depth, pw, ph, spread, disc, centre, axes, slant))
        point = centre - up * (heights[n] / 2 + disc)
    return placed
