"""What an operator points at in each picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.geometry.arrays import FloatArray, frozen_float64
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pair import meeting_point
from planning_core.xray.refusals import XrayError

COUNTS = (1, 3)


class InvalidClicksError(XrayError):
    """Clicks that do not fit the pictures. Carries what is wrong with them."""

    code = "invalid_clicks"


def _points(values: Iterable[ArrayLike]) -> tuple[FloatArray, ...]:
    return tuple(frozen_float64(np.atleast_2d(np.asarray(v, float))) for v in values)


@attrs.frozen(eq=False)
class Clicks:
    """The same points shown in every picture.

    Args:
        pixels: one (m, 2) (row, column) per view. m is 1: the middle of the body; or 3: the middle of the body, then the
            patient's left pedicle and the right one, each in the middle of its narrowest part.

    Raises:
        InvalidClicksError: neither one nor three points, or not the same number in each view.
    """

    pixels: tuple[FloatArray, ...] = attrs.field(converter=_points)

    def __attrs_post_init__(self) -> None:
        shapes = [p.shape for p in self.pixels]
        if len(set(shapes)) != 1 or shapes[0][0] not in COUNTS or shapes[0][1:] != (2,):
            raise InvalidClicksError(
                f"one or three points in each view are needed, got {shapes}", given=[list(s) for s in shapes]
            )
        if not all(np.isfinite(p).all() for p in self.pixels):
            raise InvalidClicksError("clicks are not finite", given=[])

    def check(self, views: Sequence[PinholeView]) -> None:
        """Refuse clicks that are not in their pictures.

        Raises:
            InvalidClicksError: as many views as clicked pictures are needed, and every click within its picture.
        """
        if len(views) != len(self.pixels):
            raise InvalidClicksError(f"clicks in {len(self.pixels)} pictures for {len(views)} views", given=len(self.pixels))
        outside = [n for n, (view, pixels) in enumerate(zip(views, self.pixels, strict=True)) if not view.contains(pixels).all()]
        if outside:
            raise InvalidClicksError(f"clicks outside the pictures {outside}", given=outside)

    def met(self, views: Sequence[PinholeView]) -> FloatArray:
        """(m, 3) mm in the views' frame, whose axes are about the patient's L, P, S: where each point's rays meet.

        Raises:
            InvalidClicksError: left and right pedicle are exchanged. FrameMismatchError, EqualViewsError: see ``meeting_point``.
        """
        points = np.array([meeting_point(views, [p[n] for p in self.pixels]) for n in range(len(self.pixels[0]))])
        if len(points) > 1 and (points[1] - points[2])[0] <= 0:
            raise InvalidClicksError(
                f"the left pedicle as clicked lies {points[2, 0] - points[1, 0]:.0f} mm to the right of the right one: "
                "left and right are the patient's own",
                given=points.round(1).tolist(),
            )
        return points
