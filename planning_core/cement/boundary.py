"""Whether a mask's boundary lies where its neighbours' do: read from the arch, which a collapse leaves as thick as it was."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from planning_core.anatomy.body import behind_on
from planning_core.anatomy.vertebra import Vertebra
from planning_core.cement.config import CementConfig
from planning_core.cement.uncertainty import NINETY

BEHIND_MM = (0.0, 26.0)
"""From the posterior wall: pedicles, laminae, joints, and not the tips of processes, which vary most."""
SEEN = 0.68
"""Share of a boundary's shift that volume over surface shows (0.65–0.70 for half voxels of 1, 1.3 and 3 mm): corners blunt,
and thin bone vanishes."""
HALFWAY = 0.25
"""In voxels: between a mask in place and one half a voxel off."""


@attrs.frozen
class BoundaryCheck:
    """How far outside (negative: inside) its neighbours' a mask's boundary lies, mm, and from where on it is doubted."""

    shift_mm: float
    limit_mm: float

    @property
    def too_large(self) -> bool:
        """Drawn too far out."""
        return self.shift_mm > self.limit_mm

    @property
    def too_small(self) -> bool:
        """Drawn too far in."""
        return self.shift_mm < -self.limit_mm


def check_boundary(target: Vertebra, neighbours: Sequence[Vertebra], config: CementConfig) -> BoundaryCheck:
    """Compare the arch's thickness with its neighbours'.

    The limit lies halfway to half a voxel's shift, but not within what sound neighbours differ by.

    Args:
        neighbours: sound ones; with none there is nothing to compare with, and nothing is doubted.
    """
    limit = max(HALFWAY * float(np.cbrt(np.prod(target.voxel_mm))), NINETY * config.arch_spread_mm)
    if not neighbours:
        return BoundaryCheck(0.0, limit)
    usual = float(np.mean([arch_thickness(n) for n in neighbours]))
    return BoundaryCheck((arch_thickness(target) - usual) / SEEN, limit)


def arch_thickness(vertebra: Vertebra) -> float:
    """Volume over surface of the arch, mm: half the thickness of a plate, which moves with a boundary one to one."""
    field = vertebra.whole
    h = float(field.grid.spacing_mm[0])
    behind = behind_on(vertebra.wall, field.grid)
    near = np.broadcast_to((behind > BEHIND_MM[0]) & (behind < BEHIND_MM[1]), field.values.shape)
    values = field.values[near]
    volume, inner, outer = (float(np.clip(0.5 - (values + offset) / h, 0, 1).sum()) for offset in (0.0, h / 4, -h / 4))
    return h * volume / max(2 * (outer - inner), 1e-6)
