"""Step 4: a neighbour laid over what did not collapse, at the size the level would have."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from planning_core.anatomy.body import behind
from planning_core.anatomy.body_size import BodySize
from planning_core.anatomy.vertebra import Vertebra
from planning_core.cement.size import Stretch
from planning_core.geometry.arrays import BoolArray, FloatArray, rotated

POINTS = 2000
PROCESSES_BEHIND_MM = 26.0
"""Tips of processes vary most between levels: surface further than this behind the wall is not matched."""
ENDPLATE_NORMAL = 0.6
WALL_HALF_MM, WALL_NORMAL, WALL_WITHIN_MM = 10.0, 0.7, 3.0
WALL_MM, ARCH_MM, ENDPLATE_MM = 0.8, 1.5, 0.7
"""Spread of standing walls, of the arch and of standing endplates about a fitting neighbour."""
COLLAPSED = 0.15
"""Likelihood of an endplate point being anywhere inside, against lying on the ideal endplate."""
ARCH_WEIGHT = 0.5
CORRELATED_MM2 = 200.0
"""Residuals closer together than this are one observation: bones differ in patches, not point by point."""
PRIOR = np.array([0.15, 0.15, 0.15, 4.0, 4.0, 4.0, 0.03, 0.03, 0.006, 0.006])
"""Spread of what is fitted: turn (rad), shift (mm), and logarithms of width, depth, height and wedge about their expectation.
Height and wedge are as good as held: looser, a slight collapse of the whole endplate draws them along (bias −0.7 ml)."""
STEP = np.array([0.05, 0.05, 0.05, 1.5, 1.5, 1.5, 0.03, 0.03, 0.03, 0.03])
REACH = (-0.3, 1.2)


@attrs.frozen(eq=False)
class Residual:
    """The part of a target's surface that is matched.

    Args:
        points: (n, 3) in the target's frame. endplate: (n,) may have collapsed. arch: (n,) behind the posterior wall.
        share: (n,) how much of an observation each point is.
    """

    points: FloatArray
    endplate: BoolArray
    arch: BoolArray
    share: FloatArray


@attrs.frozen(eq=False)
class Warp:
    """Target's frame to neighbour's: turned and shifted, then stretched about the neighbour's posterior wall and mid-height.

    Args:
        turn: (3,) rotation vector. shift_mm: (3,). stretch: of the neighbour. wall_mm, depth_mm: of the neighbour's body.
    """

    turn: FloatArray
    shift_mm: FloatArray
    stretch: Stretch
    wall_mm: float
    depth_mm: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Points (..., 3) mm where they lie in the neighbour."""
        moved = rotated(points, Rotation.from_rotvec(self.turn).as_matrix()) + self.shift_mm
        moved[..., 0] *= np.exp(-self.stretch.width)
        moved[..., 1] = self.wall_mm + (moved[..., 1] - self.wall_mm) * np.exp(-self.stretch.depth)
        forward = np.clip((self.wall_mm - moved[..., 1]) / self.depth_mm, *REACH)
        moved[..., 2] *= np.exp(-self.stretch.height - self.stretch.wedge * (forward - 0.5))
        return np.asarray(moved)


@attrs.frozen(eq=False)
class Fit:
    """A neighbour in place.

    Args:
        neighbour: it. warp: from the target's frame into the neighbour's.
        off_mm: (n,) signed distances of the target's standing walls and arch from it; negative: the target lies inside.
    """

    neighbour: Vertebra
    warp: Warp
    off_mm: FloatArray


def fit_neighbour(target: Vertebra, neighbour: Vertebra, have: BodySize, want: BodySize, residual: Residual) -> Fit:
    """The most probable place and size of a neighbour, given where it should be and what still stands.

    Posterior wall, side walls and arch are matched both ways. An endplate point that lies outside is matched as a wall is; one
    inside counts only while it is near, for it may have collapsed. Size is held by what neighbours lead one to expect, since a
    free one follows the collapse.

    Args:
        have: the neighbour's size. want: the size the target would have intact.
    """
    field, size = neighbour.whole, Stretch.between(have, want)
    weight = np.sqrt(residual.share)
    start = np.zeros(10)
    start[4] = neighbour.wall[0] - target.wall[0]

    def warp(x: FloatArray) -> Warp:
        stretch = Stretch(size.width + x[6], size.depth + x[7], size.height + x[8], size.wedge + x[9])
        return Warp(x[:3], x[3:6], stretch, float(neighbour.wall[0]), have.depth_mm)

    def distances(x: FloatArray) -> FloatArray:
        return field.at(warp(x)(residual.points))

    def cost(x: FloatArray) -> FloatArray:
        d = distances(x)
        both = np.where(residual.arch, _soft(d, ARCH_MM), _soft(d, WALL_MM))
        return np.r_[weight * np.where(residual.endplate, _one_sided(d), both), (x - start) / PRIOR]

    solved = least_squares(cost, start, x_scale=STEP, diff_step=1e-3, max_nfev=25)
    return Fit(neighbour, warp(solved.x), distances(solved.x)[~residual.endplate])


def residual_structures(target: Vertebra) -> Residual:
    """The target's surface without the tips of its processes, sorted into walls, arch and endplates."""
    field = target.whole
    h = float(field.grid.spacing_mm[0])
    points = field.grid.points(np.argwhere(np.abs(field.values) < 0.5 * h))
    depth = behind(target.wall, points)
    points, depth = points[depth < PROCESSES_BEHIND_MM], depth[depth < PROCESSES_BEHIND_MM]
    area = len(points) * h * h
    chosen = np.sort(np.random.default_rng(0).permutation(len(points))[:POINTS])  # an even stride would follow the voxels
    points, depth = points[chosen], depth[chosen]
    normal = field.gradient_at(points, 1.0)
    points = points - field.at(points)[:, None] * normal
    endplate = (depth < -1) & (np.abs(normal[:, 2]) > ENDPLATE_NORMAL)
    wall = (np.abs(depth) < WALL_WITHIN_MM) & (normal[:, 1] > WALL_NORMAL) & (np.abs(points[:, 0]) < WALL_HALF_MM)
    arch = (depth >= -1) & ~wall
    share = np.where(arch, ARCH_WEIGHT, 1.0) * min(1.0, area / len(points) / CORRELATED_MM2)
    return Residual(points, endplate & ~wall, arch, share)


def _soft(d: FloatArray, spread: float) -> FloatArray:
    """Residual whose square is quadratic near zero and linear far off."""
    return np.asarray(np.sign(d) * np.sqrt(2 * (np.sqrt(1 + (d / spread) ** 2) - 1)))


def _one_sided(d: FloatArray) -> FloatArray:
    """As a wall outside; inside, of a mixture of standing and collapsed endplate."""
    unlikely = np.log1p(COLLAPSED) - np.log(np.exp(-0.5 * (d / ENDPLATE_MM) ** 2) + COLLAPSED)
    return np.asarray(np.where(d > 0, _soft(d, ENDPLATE_MM), -np.sqrt(2 * np.maximum(unlikely, 0))))
