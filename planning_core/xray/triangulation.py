"""Points and needle paths from what is pointed at in two pictures, without any model of the bone.

The way paths are drawn without a CT: each point is marked in every picture and its rays are met (Hartley and Sturm 1997). It is
the baseline that a rebuilt vertebra must beat (2D-GeoPlan in Inigo 2026, doi 10.3389/frobt.2026.1759366), and a check upon it:
the two share the clicks' places and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.anatomy.vertebra import Side
from planning_core.errors import InputError
from planning_core.geometry.arrays import FloatArray, frozen_float64, frozen_vector
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pair import meeting_point

CLICK_MM = 1.5
"""Standard deviation of a click along each axis of the detector, assumed."""
GAP_SIGMAS = 4.0
DEPTH_SHARE = 0.26
"""The tips lie this share of the body's depth behind its front, as those planned on a CT."""
LANE_SHARE = 0.22
"""And this share of the pedicles' distance beside the midline: 0.16 of the body's width, where pedicles are 0.7 of it apart."""
BEHIND_MM = 15.0
"""The entry lies about this far behind the pedicle's middle; no picture point says where bone begins."""


class PicturePoint(Enum):
    """What can be pointed at in every picture of a vertebra; values are the words of ``--click``."""

    BODY = "body"
    PEDICLE_LEFT = "left"
    PEDICLE_RIGHT = "right"
    FRONT = "front"

    @property
    def said(self) -> str:
        """What the operator points at."""
        return {
            PicturePoint.BODY: "middle of the body",
            PicturePoint.PEDICLE_LEFT: "middle of the left pedicle (the patient's left)",
            PicturePoint.PEDICLE_RIGHT: "middle of the right pedicle (the patient's right)",
            PicturePoint.FRONT: "middle of the body's front wall",
        }[self]


class MissingPicturePointError(InputError):
    """A point that was not marked in enough pictures. Carries ``missing``."""

    code = "missing_picture_point"


@attrs.frozen(eq=False)
class MetPoint:
    """A point met by the rays of clicks.

    Args:
        point_mm: (3,) in the views' frame. covariance_mm2: (3, 3) from the clicks' error alone.
        gap_mm: the most that a ray passes it by. gap_sigma_mm: one sigma of that for clicks on one and the same point.
    """

    point_mm: FloatArray = attrs.field(converter=frozen_vector)
    covariance_mm2: FloatArray = attrs.field(converter=frozen_float64)
    gap_mm: float
    gap_sigma_mm: float

    @property
    def one_point(self) -> bool:
        """Whether the clicks can be of one point: their rays meet as nearly as clicks do."""
        return self.gap_mm <= GAP_SIGMAS * self.gap_sigma_mm


@attrs.frozen(eq=False)
class DrawnPath:
    """A straight path that was drawn, not measured against bone.

    Args:
        side: pedicle. entry_mm, target_mm: (3,) in ``frame``. target_covariance_mm2: (3, 3).
    """

    side: Side
    frame: str
    entry_mm: FloatArray = attrs.field(converter=frozen_vector)
    target_mm: FloatArray = attrs.field(converter=frozen_vector)
    target_covariance_mm2: FloatArray = attrs.field(converter=frozen_float64)


def triangulate(views: Sequence[PinholeView], pixels: ArrayLike, click_mm: float = CLICK_MM) -> MetPoint:
    """The point that was marked in each view.

    Args:
        views: two or more of one frame. pixels: (n, 2) (row, column), one per view. click_mm: see ``CLICK_MM``.

    Raises:
        TooFewViewsError, DifferentFramesError, EqualViewsError: see ``pair``. OutsideViewError: the rays meet behind a source.
    """
    clicks = np.asarray(pixels, dtype=np.float64)
    point = meeting_point(views, clicks)
    rays = np.array([view.directions(pixel) for view, pixel in zip(views, clicks, strict=True)])
    away = point - np.array([view.source_mm for view in views])
    passed = np.linalg.norm(away - (away * rays).sum(axis=1, keepdims=True) * rays, axis=1)
    information, apart = np.zeros((3, 3)), 0.0
    for view in views:
        slope = view.project_slope(point) * np.array(view.pixel_spacing_mm)[:, None]
        information += slope.T @ slope / click_mm**2
        apart = max(apart, click_mm * float(view.depth_mm(point)) / view.source_to_detector_mm)
    return MetPoint(point, np.linalg.inv(information), float(passed.max()), apart / np.sqrt(2))


def met_points(
    views: Sequence[PinholeView], clicks: Sequence[Mapping[PicturePoint, ArrayLike]], click_mm: float = CLICK_MM
) -> dict[PicturePoint, MetPoint]:
    """Every point that was marked in two or more views.

    Args:
        clicks: one mapping per view, (2,) (row, column) each.

    Raises:
        See ``triangulate``.
    """
    found = {}
    for point in PicturePoint:
        seen = [n for n, of_view in enumerate(clicks) if point in of_view]
        if len(seen) >= 2:
            found[point] = triangulate([views[n] for n in seen], [np.asarray(clicks[n][point]) for n in seen], click_mm)
    return found


def drawn_paths(
    views: Sequence[PinholeView], clicks: Sequence[Mapping[PicturePoint, ArrayLike]], click_mm: float = CLICK_MM
) -> dict[Side, DrawnPath]:
    """Both paths from four picture points alone: through the middle of each pedicle to the anterior third of its half.

    Args:
        clicks: one mapping per view, of all of ``PicturePoint``.

    Raises:
        MissingPicturePointError: a point is marked in fewer than two views. Others: see ``triangulate``.
    """
    met = met_points(views, clicks, click_mm)
    missing = [point.value for point in PicturePoint if point not in met]
    if missing:
        raise MissingPicturePointError(f"marked in fewer than two pictures: {', '.join(missing)}", missing=missing)
    body, front = met[PicturePoint.BODY], met[PicturePoint.FRONT]
    left, right = met[PicturePoint.PEDICLE_LEFT].point_mm, met[PicturePoint.PEDICLE_RIGHT].point_mm
    # from the body's middle towards its front, and from there to either side
    middle = body.point_mm + (1 - 2 * DEPTH_SHARE) * (front.point_mm - body.point_mm)
    paths = {}
    for side, pedicle, sign in ((Side.LEFT, left, 0.5), (Side.RIGHT, right, -0.5)):
        target = middle + 2 * LANE_SHARE * sign * (left - right)
        way = (target - pedicle) / np.linalg.norm(target - pedicle)
        share = 1 - 2 * DEPTH_SHARE
        covariance = share**2 * front.covariance_mm2 + (1 - share) ** 2 * body.covariance_mm2
        paths[side] = DrawnPath(side, views[0].frame, pedicle - BEHIND_MM * way, target, covariance)
    return paths


def marked_path(
    side: Side, views: Sequence[PinholeView], entry_pixels: ArrayLike, target_pixels: ArrayLike, click_mm: float = CLICK_MM
) -> DrawnPath:
    """A path whose entry and target were marked in each view, (n, 2) (row, column) each.

    Raises:
        See ``triangulate``.
    """
    entry, target = triangulate(views, entry_pixels, click_mm), triangulate(views, target_pixels, click_mm)
    return DrawnPath(side, views[0].frame, entry.point_mm, target.point_mm, target.covariance_mm2)
