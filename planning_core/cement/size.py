"""The size a collapsed body had, read across from sound neighbours, and what stretches one size into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from planning_core.anatomy.body_size import BodySize
from planning_core.anatomy.fracture import typical_columns
from planning_core.anatomy.levels import VertebraLevel

FRONT_TO_BACK = 0.55
"""Between the middles of the front and the back share: a difference over this is a slope over the whole depth."""
OWN_GIRTH_SHARE, OWN_GIRTH_MOST = 0.5, 0.06


@attrs.frozen
class Stretch:
    """What makes one body's size another's, as logarithms of ratios.

    Args:
        width, depth, height: of the whole body. wedge: of the front's height over the back's.
    """

    width: float
    depth: float
    height: float
    wedge: float

    @classmethod
    def between(cls, have: BodySize, want: BodySize) -> Stretch:
        """From one size to another."""
        width, depth, front, middle, back = want.logs - have.logs
        return cls(float(width), float(depth), float((front + middle + back) / 3), float((front - back) / FRONT_TO_BACK))


def expected_size(
    level: VertebraLevel, own: BodySize, neighbours: Mapping[VertebraLevel, BodySize], weights: Sequence[float]
) -> BodySize:
    """The size a level would have intact.

    Heights are the neighbours', each over what is typical of its level, by weight; width and depth half the neighbours', half
    the collapsed body's own, which collapse changes least but a bulge may.
    """
    share = np.asarray(weights) / np.sum(weights)
    logs = np.stack([size.logs for size in neighbours.values()])
    logs[:, 2:] -= np.stack([np.log(typical_columns(v)) for v in neighbours])
    wanted = share @ logs
    wanted[2:] += np.log(typical_columns(level))
    wanted[:2] += np.clip(OWN_GIRTH_SHARE * (own.logs[:2] - wanted[:2]), -OWN_GIRTH_MOST, OWN_GIRTH_MOST)
    return BodySize(*(float(v) for v in np.exp(wanted)))
