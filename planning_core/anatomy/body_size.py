"""Outer measures of a vertebral body that one voxel hardly changes: mean heights of its columns, width and depth."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import attrs
import numpy as np

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry.arrays import FloatArray

FRONT, MIDDLE, BACK = (0.65, 0.90), (0.35, 0.65), (0.10, 0.35)
"""Where columns are read, as shares of the depth from the posterior wall; rims and lips are left out."""
HALF_SLAB_MM = 12.0
LOW_COLUMN = 0.35


@attrs.frozen
class BodySize:
    """Outer measures of a body, mm.

    Args:
        width_mm, depth_mm: extent of the columns that are not lips, across and from the posterior wall.
        front_mm, middle_mm, back_mm: mean height of the columns there, which one voxel hardly changes.
    """

    width_mm: float
    depth_mm: float
    front_mm: float
    middle_mm: float
    back_mm: float

    @property
    def logs(self) -> FloatArray:
        """(5,) logarithms, in the order of the fields."""
        return np.log(attrs.astuple(self))


_MEASURED: WeakKeyDictionary[Vertebra, BodySize] = WeakKeyDictionary()


def measure_size(vertebra: Vertebra) -> BodySize:
    """The size of a body as it is, columns along its own axis; every level is judged by all the others, and measured once."""
    if vertebra not in _MEASURED:
        _MEASURED[vertebra] = _measured(vertebra)
    return _MEASURED[vertebra]


def _measured(vertebra: Vertebra) -> BodySize:
    body = vertebra.body
    h = float(body.grid.spacing_mm[0])
    thickness = np.clip(0.5 - body.values / h, 0, 1).sum(axis=0) * h
    places = body.grid.points(np.stack(np.broadcast_arrays(0, *np.indices(thickness.shape)), axis=-1))
    x, y = places[..., 0], places[..., 1]
    full = thickness > LOW_COLUMN * np.percentile(thickness[thickness > h], 75)
    back, front = float(vertebra.wall[0]), float(np.percentile(y[full], 2))
    from_wall = (back - y) / (back - front)
    slab = full & (np.abs(x - np.median(x[full])) < HALF_SLAB_MM)
    heights = [float(thickness[slab & (from_wall > a) & (from_wall < b)].mean()) for a, b in (FRONT, MIDDLE, BACK)]
    return BodySize(float(np.subtract(*np.percentile(x[full], (98, 2)))), back - front, *heights)
