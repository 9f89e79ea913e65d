"""What a rebuilt vertebra and its paths look like in the pictures: lines in pixels, for whoever must trust them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from skimage.draw import polygon
from skimage.measure import approximate_polygon, find_contours

from planning_core.anatomy.shape_model.model import Endplate, ShapeInstance
from planning_core.anatomy.vertebra import Side, Vertebra
from planning_core.geometry.arrays import FloatArray, IntArray
from planning_core.trajectory.plan import Trajectory
from planning_core.xray.geometry import PinholeView

FINENESS = 4
"""Outlines are drawn on pixels so many times finer."""
LEAST_POINTS = 20
TOLERANCE_PX = 0.1
RING_POINTS = 48
RING_MM, RING_STEP_MM = 12.0, 0.1
DIGITS = 2


@attrs.frozen(eq=False)
class ViewOverlay:
    """Lines in one picture; points are (row, column).

    Args:
        outline: closed lines (n, 2) round the bone's shadow and the holes in it. rims: the two endplates' rims, closed.
        rings: each pedicle's narrowest section, closed. paths: entry to target (m, 2) of each side's path; empty without a plan.
    """

    outline: tuple[FloatArray, ...]
    rims: tuple[FloatArray, ...]
    rings: Mapping[Side, FloatArray]
    paths: Mapping[Side, FloatArray]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, rounded."""
        return {
            "outline": [_rounded(line) for line in self.outline],
            "rims": [_rounded(line) for line in self.rims],
            "rings": {side.value: _rounded(line) for side, line in self.rings.items()},
            "paths": {side.value: _rounded(line) for side, line in self.paths.items()},
        }


def overlay(
    view: PinholeView, shape: ShapeInstance, vertebra: Vertebra | None = None, paths: Sequence[Trajectory] = ()
) -> ViewOverlay:
    """The lines of one view.

    Args:
        shape: in the view's frame. vertebra: the same as the planner saw it, for the pedicles' rings. paths: best first; the
            first of each side is drawn.

    Raises:
        OutsideViewError: something lies behind the source.
    """
    chosen: dict[Side, FloatArray] = {}
    for path in paths:
        chosen.setdefault(path.side, view.project(path.waypoints_lps_mm))
    rings = {} if vertebra is None else {side: view.project(pedicle_ring(shape, vertebra, side)) for side in Side}
    rims = tuple(view.project(shape.rim(end)) for end in Endplate)
    return ViewOverlay(outline(view.project(shape.vertices), shape.model.triangles), rims, rings, chosen)


def outline(pixels: FloatArray, triangles: IntArray) -> tuple[FloatArray, ...]:
    """Closed lines (n, 2) round the shadow of a mesh, the longest first.

    Args:
        pixels: (n, 2) its vertices as projected. triangles: (m, 3).
    """
    low = np.floor(pixels.min(axis=0)) - 1
    fine = (pixels - low) * FINENESS
    size = np.ceil(fine.max(axis=0)).astype(int) + FINENESS + 1
    shadow = np.zeros(size, bool)
    for corners in fine[triangles]:
        shadow[polygon(corners[:, 0], corners[:, 1], tuple(size))] = True
    lines = [line / FINENESS + low for line in find_contours(shadow.astype(np.float32), 0.5) if len(line) >= LEAST_POINTS]
    return tuple(approximate_polygon(line, TOLERANCE_PX) for line in sorted(lines, key=len, reverse=True))


def pedicle_ring(shape: ShapeInstance, vertebra: Vertebra, side: Side) -> FloatArray:
    """(n, 3) the bone's surface round the middle of a pedicle's axis, across it; in the shape's frame.

    Args:
        vertebra: of the same shape.
    """
    ends = shape.pedicle_axis(side)
    to_own = vertebra.ct_lps_from_vertebra.inverse()
    back, front = (to_own.apply(end) for end in ends)
    axis = (front - back) / np.linalg.norm(front - back)
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    across = np.cross(axis, up)
    angle = np.linspace(0, 2 * np.pi, RING_POINTS + 1)
    ways = np.cos(angle)[:, None] * up + np.sin(angle)[:, None] * across
    steps = np.arange(0, RING_MM, RING_STEP_MM)
    outside = vertebra.whole.at((back + front) / 2 + steps[None, :, None] * ways[:, None, :]) > 0
    reach = np.where(outside.any(axis=1), steps[outside.argmax(axis=1)], steps[-1])
    return vertebra.ct_lps_from_vertebra.apply((back + front) / 2 + reach[:, None] * ways)


def _rounded(line: FloatArray) -> list[list[float]]:
    found: list[list[float]] = np.round(line, DIGITS).tolist()
    return found
