"""How a body collapses: which share of its height each of its columns loses, by kind of fracture.

Genant's three kinds (1993) as smooth maps of the endplates. The posterior wall and what the pedicles hold stand.
"""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray

KINDS = ("wedge", "biconcave", "crush")
TAPER_MM = 6.0
"""Compression sets in over this far in front of the posterior wall."""
BOWL_MM = (15.0, 12.0)
"""Spread of a biconcave hollow across and along, mm."""
LATERAL_RATIO = 0.3
"""Lateral over axial strain of a body that is pressed flat: Poisson's ratio as usually taken for vertebral bone."""


@attrs.frozen
class BodyBox:
    """Where a body's columns stand in its own frame, mm: ``middle`` across, ``back`` (posterior wall) and ``front``."""

    middle: float
    back: float
    front: float

    def forward(self, y: FloatArray) -> FloatArray:
        """0 at the posterior wall, 1 at the front."""
        return np.asarray(np.clip((self.back - y) / (self.back - self.front), 0, 1.1))

    def taper(self, y: FloatArray) -> FloatArray:
        """0 at the posterior wall and behind it, 1 from ``TAPER_MM`` in front of it."""
        share = np.clip((self.back - y) / TAPER_MM, 0, 1)
        return np.asarray(share**2 * (3 - 2 * share))


def lost_shares(kind: str, x: FloatArray, y: FloatArray, box: BodyBox) -> tuple[FloatArray, FloatArray]:
    """Shares of the height that the upper endplate sinks and the lower one rises by, per unit of loss.

    Args:
        kind: ``wedge`` (the front falls), ``biconcave`` (the middle falls, both endplates) or ``crush`` (all falls, the front
            most). x, y: (…,) places of columns in the body's frame, mm.
    """
    forward, taper = box.forward(y), box.taper(y)
    if kind == "wedge":
        return forward * taper, 0 * forward
    if kind == "biconcave":
        bowl = taper * np.exp(-(((x - box.middle) / BOWL_MM[0]) ** 2 + ((y - (box.front + box.back) / 2) / BOWL_MM[1]) ** 2))
        return 0.6 * bowl, 0.4 * bowl
    if kind == "crush":
        return (0.55 + 0.45 * forward) * taper, 0 * forward
    raise ValueError(f"no fracture is called {kind!r}; there are {', '.join(KINDS)}")
