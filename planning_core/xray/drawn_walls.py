"""How likely a needle breaches a vertebra that was rebuilt from pictures: over shapes that the pictures leave possible.

Each draw of the reconstruction gives the pedicle's walls another place and width; within each, the needle misses its path as it
does on a CT. The probability is the mean over all, its error that of the draws' mean (they count, not the needles within them).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np

from planning_core.anatomy.shape_model.model import ShapeInstance
from planning_core.anatomy.vertebra import Side
from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.mesh_field import MeshDepth
from planning_core.trajectory.breach import BreachProbability, displaced
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.measures import Lines
from planning_core.trajectory.plan import ErrorBudget

AROUND_MM = 24.0
"""Walls are looked at within this of the pedicle's middle."""
BOX_MM = 22.0
STEP_MM = 1.0


@attrs.frozen(eq=False)
class DrawnWalls:
    """A judge of paths (``trajectory.breach.Judge``) over drawn shapes.

    Args:
        walls: per side, the bone around the pedicle in every draw; vertebra's frame.
        canal_mm: (draws, 3) how far the canal stands from where the planned vertebra has it.
        rest_mm: standard deviation of the walls that the model's modes leave.
    """

    walls: Mapping[Side, tuple[MeshDepth, ...]]
    canal_mm: FloatArray
    rest_mm: float

    @classmethod
    def of(cls, shape: ShapeInstance, draws: FloatArray) -> DrawnWalls:
        """From draws (d, n, 3) in the pose's frame."""
        model, mean = shape.model, shape.shape
        moved = shape.pose.inverse().apply(draws)
        ends = model.pedicles.of(mean)

        def walls(side: Side) -> tuple[MeshDepth, ...]:
            first = 0 if side is Side.LEFT else 2
            middle = (ends[first] + ends[first + 1]) / 2
            grid = Grid([int(2 * BOX_MM / STEP_MM)] * 3, [STEP_MM] * 3, middle - BOX_MM, np.eye(3), shape.pose.src)
            near = (np.linalg.norm(mean - middle, axis=1) < AROUND_MM)[model.triangles].any(axis=1)
            return tuple(MeshDepth.of(v, model.triangles, grid, near) for v in moved)

        with ThreadPoolExecutor(2) as pool:
            sides = dict(zip(Side, pool.map(walls, Side), strict=True))
        canal = (moved[:, model.canal] - mean[model.canal]).mean(axis=1)
        return cls(sides, canal, shape.scale * model.rest_mm / np.sqrt(3))

    def __call__(
        self,
        corridor: Corridor,
        lines: Lines,
        entry: FloatArray,
        radius_mm: float,
        guarded: bool,
        budget: ErrorBudget,
        samples: int,
        seed: int,
    ) -> BreachProbability:
        """See ``trajectory.breach.breach_probability``; of the budget, the segmentation's error does not count here.

        Walls are looked at where the corridor says that the pedicle most likely stands.
        """
        each = max(samples // len(self.canal_mm), 1)
        normals = np.random.default_rng(seed).standard_normal((len(self.canal_mm), each, 6))
        shares = np.empty(len(normals))
        for n, (wall, canal) in enumerate(zip(self.walls[corridor.side], self.canal_mm, strict=True)):
            moved, in_pedicle = displaced(corridor, lines, entry, budget, normals[n])
            points = corridor.in_frame(moved)
            near = corridor.in_frame(moved[:, :in_pedicle] - corridor.offsets_mm.mean(axis=0))
            needed = radius_mm + self.rest_mm * normals[n, :, 5]
            breached = corridor.canal.at(points - canal).min(axis=1) < needed
            if guarded:
                breached |= wall.depth(near).min(axis=1) < needed
            shares[n] = breached.mean()
        return BreachProbability(float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares))))
