"""Several views together: how far apart they see the patient, and where their rays meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from planning_core.geometry.arrays import FloatArray
from planning_core.xray.geometry import PinholeView
from planning_core.xray.refusals import DifferentFramesError, EqualViewsError, MirroredViewError, TooFewViewsError

LEAST_ANGLE_DEG = 20.0
"""Below it depth is hardly seen: error along the beam grows as 1 / sin(angle), threefold at 20°."""


def meeting_point(views: Sequence[PinholeView], pixels: ArrayLike | None = None) -> FloatArray:
    """(3,) mm in the views' frame: the point nearest to one ray per view, least squares of the distances.

    Args:
        views: two or more. pixels: (n, 2) (row, column), one per view; the beams' own axes when ``None``.

    Raises:
        TooFewViewsError, DifferentFramesError, EqualViewsError: the rays are parallel.
    """
    _one_frame(views, 2)
    if pixels is None:
        along = np.array([view.beam for view in views])
    else:
        along = np.array([view.directions(pixel) for view, pixel in zip(views, np.asarray(pixels), strict=True)])
    across = np.eye(3) - along[:, :, None] * along[:, None, :]
    normal = across.sum(axis=0)
    spread = float(np.linalg.eigvalsh(normal)[0])
    if spread < 1e-9:
        raise EqualViewsError("the rays are parallel: they meet nowhere", angle_deg=0.0, needed_deg=LEAST_ANGLE_DEG, views=[0, 1])
    return np.asarray(np.linalg.solve(normal, (across @ np.array([v.source_mm for v in views])[:, :, None]).sum(axis=0))[:, 0])


def angle_deg(one: PinholeView, other: PinholeView, at_mm: ArrayLike | None = None) -> float:
    """0 to 90: the angle between two views' rays; opposite views see the same outline, so 180° counts as 0°.

    Args:
        at_mm: (3,) the point both look at; the beams' own axes when ``None``.

    Raises:
        DifferentFramesError: the views are of different frames.
    """
    _one_frame((one, other), 2)
    ways = (one.beam, other.beam) if at_mm is None else tuple(np.asarray(at_mm) - v.source_mm for v in (one, other))
    a, b = (way / np.linalg.norm(way) for way in ways)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), abs(float(a @ b)))))


def check_views(views: Sequence[PinholeView], least_angle_deg: float = LEAST_ANGLE_DEG, at_mm: ArrayLike | None = None) -> float:
    """The largest angle between any two of the views, degrees.

    Raises:
        TooFewViewsError: fewer than two. DifferentFramesError: of different frames.
        EqualViewsError: no two are ``least_angle_deg`` apart.
        MirroredViewError: some are seen from the detector and some from the source.
    """
    _one_frame(views, 2)
    pairs = [(angle_deg(a, b, at_mm), [i, j]) for i, a in enumerate(views) for j, b in enumerate(views) if i < j]
    widest, which = max(pairs)
    if widest < least_angle_deg:
        raise EqualViewsError(
            f"the views are at most {widest:.1f}° apart, {least_angle_deg:.0f}° are needed: turn the C-arm further",
            angle_deg=widest,
            needed_deg=least_angle_deg,
            views=which,
        )
    sides = [view.from_detector_side for view in views]
    if len(set(sides)) > 1:
        raise MirroredViewError(
            f"views {[n for n, side in enumerate(sides) if side != sides[0]]} are mirrored against the first",
            from_detector_side=sides,
        )
    return widest


def _one_frame(views: Sequence[PinholeView], needed: int) -> None:
    if len(views) < needed:
        raise TooFewViewsError(f"{len(views)} view(s), at least {needed} are needed", views=len(views), needed=needed)
    frames = [view.frame for view in views]
    if len(set(frames)) > 1:
        raise DifferentFramesError(f"views of different frames: {frames}", left=frames[0], right=frames[-1])
