"""Step 4: the template moved rigidly until it lies on what did not collapse."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from planning_core.anatomy.vertebra import Vertebra
from planning_core.cement.template import Template
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import FloatArray

POINTS = 2400
SOFT_MM = 1.5
TIPS_BEHIND_MM = 26.0
ENDPLATE_NORMAL = 0.6
ENDPLATE_WEIGHT = 0.5
LARGEST_TURN_RAD = 0.35
LARGEST_SHIFT_MM = 12.0


@attrs.frozen(eq=False)
class Fit:
    """The template in place.

    Args:
        ideal: intact body, in the target's frame, on the template's grid.
        move: T_vertebra_<level>_template.
        residual_mm: spread of the residual structures about the template (robust, one sigma).
        bias_mm: their mean signed offset; negative: the target lies inside the template (mask too small).
    """

    ideal: DistanceField
    move: RigidTransform
    residual_mm: float
    bias_mm: float


def fit_template(target: Vertebra, template: Template) -> Fit:
    """Robust rigid fit; no scaling, which a collapsed body would drag down.

    Posterior wall, side walls, pedicles and arch are matched both ways; endplates only one way: the intact body may reach
    beyond the collapsed endplates but bone that is there must lie within it.
    """
    points, endplate = residual_points(target)
    field = template.whole

    def place(x: FloatArray) -> FloatArray:
        return Rotation.from_rotvec(x[:3]).apply(points) + x[3:]

    def residual(x: FloatArray) -> FloatArray:
        distance = field.at(place(x))
        return np.where(endplate, ENDPLATE_WEIGHT * np.maximum(distance, 0), distance)

    bounds = np.r_[np.full(3, LARGEST_TURN_RAD), np.full(3, LARGEST_SHIFT_MM)]
    start = np.zeros(6)
    scale = np.r_[np.full(3, 0.05), np.full(3, 2.0)]
    solved = least_squares(
        residual, start, bounds=(-bounds, bounds), loss="soft_l1", f_scale=SOFT_MM, x_scale=scale, diff_step=1e-3, max_nfev=25
    )
    left = field.at(place(solved.x))[~endplate]
    middle = float(np.median(left))
    frame = target.frame
    to_template = RigidTransform.from_parts("template", frame, Rotation.from_rotvec(solved.x[:3]).as_matrix(), solved.x[3:])
    grid = template.body.grid
    ideal = DistanceField(template.body.at(to_template.apply(grid.all_points())), grid)
    return Fit(
        ideal, to_template.inverse(), 1.4826 * float(np.median(np.abs(left - middle))), float(np.mean(np.clip(left, -3, 3)))
    )


def residual_points(target: Vertebra) -> tuple[FloatArray, np.ndarray]:
    """Points (n, 3) on the target's surface and which of them are endplate; tips of processes, which vary most, are left out."""
    field = target.whole
    index = np.argwhere(np.abs(field.values) < 0.5 * float(field.grid.spacing_mm[0]))
    points = field.grid.points(index)
    points = points[points[:, 1] < target.wall[0] + TIPS_BEHIND_MM]
    points = points[:: max(1, len(points) // POINTS)]
    normal = field.gradient_at(points, 1.0)
    points = points - field.at(points)[:, None] * normal
    front = points[:, 1] < target.wall[0] + target.wall[2] * points[:, 2] - 1.0
    return points, front & (np.abs(normal[:, 2]) > ENDPLATE_NORMAL)
