"""The bead phantom that calibrates a C-arm: steel balls of two sizes on a helix, which of them are large being its code."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.geometry.arrays import BoolArray, FloatArray, frozen, frozen_float64

PHANTOM = "phantom"


def _mask(values: ArrayLike) -> BoolArray:
    return frozen(values, np.bool_)


@attrs.frozen(eq=False)
class BeadPhantom:
    """Where its beads are.

    Args:
        beads_mm: (n, 3) in the frame ``phantom``. large: (n,) bool.
        small_mm, large_mm: diameters.
    """

    beads_mm: FloatArray = attrs.field(converter=frozen_float64)
    large: BoolArray = attrs.field(converter=_mask)
    small_mm: float = 3.0
    large_mm: float = 5.0

    @property
    def diameters_mm(self) -> FloatArray:
        """(n,) mm."""
        return np.where(self.large, self.large_mm, self.small_mm)


def helix_phantom() -> BeadPhantom:
    """Thirty beads on a cylinder 90 mm wide and 116 mm long, six of them large, no two of whose distances are alike.

    A helix has no mirror image of its own, so a mirrored picture does not match; its depth fixes the source.
    """
    count, radius_mm, turn_deg, rise_mm = 30, 45.0, 52.0, 4.0
    n = np.arange(count)
    around = np.radians(turn_deg) * n
    beads = np.stack([radius_mm * np.cos(around), radius_mm * np.sin(around), rise_mm * (n - (count - 1) / 2)], axis=-1)
    return BeadPhantom(beads, np.isin(n, (0, 4, 11, 17, 22, 29)))
