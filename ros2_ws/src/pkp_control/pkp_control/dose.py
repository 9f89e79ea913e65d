"""How a plan's cement is divided over its paths: one place, for the node and for whoever orders from it. Millilitres."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planning_core.errors import PkpError

SLACK = 1e-6
"""Relative: what a volume may gain on its way through m³."""


class DoseRefusedError(PkpError):
    """A volume that is not of this plan. Carries ``wanted_ml`` and ``share_ml``."""

    code = "dose_refused"


def share_ml(recommended_ml: float, sides: Sequence[str], side: str) -> float:
    """Liquid cement for one side: the plan names one volume for the level, its paths get equal parts of it.

    Args:
        recommended_ml: of the whole level. sides: the plan's paths.

    Raises:
        DoseRefusedError: no such side, sides named twice, or not a volume.
    """
    sound = math.isfinite(recommended_ml) and recommended_ml > 0
    if not sound or side not in sides or len(set(sides)) != len(sides):
        raise DoseRefusedError(
            f"no dose for {side!r} of {recommended_ml} ml over {', '.join(sides) or 'no sides'}", wanted_ml=0.0, share_ml=0.0
        )
    return recommended_ml / len(sides)


def checked_dose(wanted_ml: float, recommended_ml: float, sides: Sequence[str], side: str) -> float:
    """The volume ordered for a side, which is its share or less, never more.

    Raises:
        DoseRefusedError: more than the share, or as ``share_ml``.
    """
    share = share_ml(recommended_ml, sides, side)
    if not (math.isfinite(wanted_ml) and 0 < wanted_ml <= share * (1 + SLACK)):
        raise DoseRefusedError(
            f"{wanted_ml:.4g} ml ordered for the {side} side, the plan gives it {share:.4g} ml",
            wanted_ml=wanted_ml,
            share_ml=share,
        )
    return min(wanted_ml, share)
