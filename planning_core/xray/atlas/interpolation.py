"""Points inside a mesh that move with its vertices: a smooth map of all space, linear in what the vertices do."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.linalg

from planning_core.geometry.arrays import FloatArray, frozen_float64

PIECE = 4000
RIDGE = 1e-6


@attrs.frozen(eq=False)
class SpaceMap:
    """Interpolation by the kernel r with a linear part: the biharmonic spline of space (Duchon 1977).

    It is exact at the vertices, reproduces affine maps, and has the least bending energy of all that do.

    Args:
        centres: (n, 3) mm, the vertices where nothing has moved.
        factors: of the system, as ``scipy.linalg.lu_factor`` gives them.
    """

    centres: FloatArray = attrs.field(converter=frozen_float64)
    factors: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, centres: FloatArray) -> SpaceMap:
        """The map of so many vertices (n, 3), about 0.2 s for 1800."""
        n = len(centres)
        system = np.zeros((n + 4, n + 4))
        system[:n, :n] = _distances(centres, centres) + RIDGE * np.eye(n)
        system[:n, n], system[:n, n + 1 :] = 1.0, centres
        system[n:, :n] = system[:n, n:].T
        return cls(centres, scipy.linalg.lu_factor(system, check_finite=False))

    def carried(self, values: FloatArray, points: FloatArray) -> FloatArray:
        """(m, ...): values (n, ...) known at the vertices, at points (m, 3)."""
        flat = values.reshape(len(values), -1)
        spread = scipy.linalg.lu_solve(self.factors, np.vstack([flat, np.zeros((4, flat.shape[1]))]), check_finite=False)
        out = np.empty((len(points), flat.shape[1]))
        for n in range(0, len(points), PIECE):
            some = points[n : n + PIECE]
            out[n : n + PIECE] = _distances(some, self.centres) @ spread[:-4] + spread[-4] + some @ spread[-3:]
        return out.reshape(len(points), *values.shape[1:])


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))
