"""What a straight cannula passes on its way: pedicle wall, canal, endplates. All in the vertebra's own frame."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.anatomy.vertebra import Pedicle, Side, Vertebra
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.plan import WallMargins

SAMPLE_MM = 1.0
BEHIND_MM = 45.0


@attrs.frozen(eq=False)
class Corridor:
    """One side of a vertebra, ready to be asked about many lines at once.

    Args:
        vertebra: in its own frame. side: of entry. centre: (3,) isthmus. sign: +1 left, −1 right.
        zone_mm: depth of the pedicle behind the posterior wall, to the canal's middle.
    """

    vertebra: Vertebra
    side: Side
    centre: FloatArray
    sign: float
    zone_mm: float

    @classmethod
    def of(cls, vertebra: Vertebra, pedicle: Pedicle) -> Corridor:
        """The corridor through one pedicle."""
        centre = vertebra.ct_lps_from_vertebra.inverse().apply(pedicle.centre_lps_mm)
        inside = vertebra.canal.inside()
        k = int(np.clip(round(vertebra.canal.grid.indices(centre)[0]), 0, inside.shape[0] - 1))
        rows = np.flatnonzero(inside[k].any(axis=1))
        depth = len(rows) * float(vertebra.canal.grid.spacing_mm[1])
        sign = 1.0 if pedicle.side is Side.LEFT else -1.0
        return cls(vertebra, pedicle.side, centre, sign, max(depth / 2, 4.0))

    def behind_wall(self, points: FloatArray) -> FloatArray:
        """(...,) mm behind the body's posterior wall."""
        wall = self.vertebra.wall
        return np.asarray(points[..., 1] - wall[0] - wall[1] * points[..., 0] - wall[2] * points[..., 2])

    def clearances(self, through: FloatArray, target: FloatArray, radius_mm: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of n lines from targets (n, 3) back through points (n, 3): bone beside the cannula in the pedicle, distance to
        the canal, and bone beside it in the body, each (n,) mm from its surface."""
        back = through - target
        back /= np.linalg.norm(back, axis=1, keepdims=True)
        reach = np.linalg.norm(through - target, axis=1).max() + self.zone_mm + 4
        steps = np.arange(0.0, reach, SAMPLE_MM)
        points = target[:, None] + steps[None, :, None] * back[:, None]
        behind = self.behind_wall(points)
        depth = -self.vertebra.whole.at(points)
        canal = self.vertebra.canal.at(points)
        in_pedicle = (behind >= 0) & (behind <= self.zone_mm)
        pedicle = np.where(in_pedicle, depth, np.inf).min(axis=1) - radius_mm
        canal_free = np.where(behind <= 2.2 * self.zone_mm, canal, np.inf).min(axis=1) - radius_mm
        body = np.where(behind < 0, depth, np.inf).min(axis=1) - radius_mm
        return np.where(in_pedicle.any(axis=1), pedicle, -np.inf), canal_free, body

    def entry(self, through: FloatArray, target: FloatArray) -> FloatArray:
        """(3,) where a line from the target back through a point leaves bone for good (gaps under 3 mm do not count)."""
        back = (through - target) / np.linalg.norm(through - target)
        start = float(np.linalg.norm(through - target))
        steps = np.arange(start, start + BEHIND_MM, 0.25)
        outside = self.vertebra.whole.at(target + steps[:, None] * back) > 0
        run = np.convolve(outside, np.ones(12), "valid") >= 12
        leave = int(run.argmax()) if run.any() else len(steps) - 1
        return np.asarray(target + steps[leave] * back)

    def margins(self, entry: FloatArray, target: FloatArray, radius_mm: float) -> WallMargins:
        """Bone from the cannula's surface to the wall in four directions where the pedicle is tightest."""
        length = float(np.linalg.norm(target - entry))
        line = entry + np.linspace(0, 1, max(2, round(length / 0.5)))[:, None] * (target - entry)
        behind = self.behind_wall(line)
        zone = line[(behind >= 0) & (behind <= self.zone_mm)]
        tightest = zone[(-self.vertebra.whole.at(zone)).argmin()]
        axis = (target - entry) / length
        lateral = np.array([self.sign, 0.0, 0.0]) - self.sign * axis[0] * axis
        cranial = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
        ways = {}
        steps = np.arange(0, 25, 0.1)
        for name, way in (("medial", -lateral), ("lateral", lateral), ("cranial", cranial), ("caudal", -cranial)):
            out = self.vertebra.whole.at(tightest + steps[:, None] * way / np.linalg.norm(way)) > 0
            ways[f"{name}_mm"] = float(steps[out.argmax()] if out.any() else steps[-1]) - radius_mm
        return WallMargins(**ways)
