"""How people's vertebrae vary by published measures, as displacements of a mean shape: what a handful of spines cannot show.

Each field is one measure changed by one standard deviation. Pedicle width: 25 % (Zindrick 1987: 2.1–2.6 mm of 8.7–12.9). Other
measures: 4 to 12 % of their own length, as spread in the made-up patients of this project or wider; assumed, not published.
"""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import FloatArray

PEDICLE_WIDTH, PEDICLE_HEIGHT = 0.25, 0.12
WIDTH, DEPTH, HEIGHT, WEDGE = 0.04, 0.05, 0.05, 0.06
SPREAD_MM, CANAL_DEPTH_MM = 1.2, 1.2
PROCESS_LENGTH, PROCESS_TILT, FACET_LENGTH = 0.15, 0.15, 0.10
ONE_SIDED = 0.5
"""Share of a measure's spread that differs between left and right."""
PEDICLE_REACH_MM = np.array([5.0, 7.0, 9.0])
BLEND_MM = 5.0


def population_fields(mean: FloatArray, wall_mm: float, isthmus: FloatArray) -> FloatArray:
    """(f, n, 3) displacements, mm, each of one standard deviation of one measure.

    Args:
        mean: (n, 3) in the vertebra's frame. wall_mm: y of the posterior wall. isthmus: (2, 3) left and right.
    """
    x, y, z = mean.T
    forward = _ramp(wall_mm - y)  # 1 in the body, 0 in the arch
    front = float(np.percentile(y, 1))
    side = np.tanh(x / 6.0)
    zero = np.zeros_like(x)
    share = np.clip((wall_mm - y) / (wall_mm - front), 0, 1)
    reach = float(np.abs(isthmus[:, 0]).mean()) + 6.0
    beyond = np.sign(x) * np.maximum(np.abs(x) - reach, 0.0) * (1 - forward)
    behind = np.maximum(y - float(isthmus[:, 1].mean()) - 14.0, 0.0) * np.exp(-((x / 12.0) ** 2))
    tall = np.maximum(np.abs(z) - 6.0, 0.0) * np.sign(z) * (1 - forward) * (np.abs(x) > 4)
    fields = [
        _field(WIDTH * x * forward, zero, zero),
        _field(zero, DEPTH * (y - wall_mm) * forward, zero),
        _field(zero, zero, HEIGHT * z * forward),
        _field(zero, zero, WEDGE * z * (share - 0.5) * forward),
        _field(SPREAD_MM * side * (1 - forward), zero, zero),
        _field(zero, CANAL_DEPTH_MM * (1 - forward), zero),
        _field(zero, PROCESS_LENGTH * behind, zero),
        _field(zero, zero, PROCESS_TILT * behind),
        _field(PROCESS_LENGTH * beyond, zero, zero),
        _field(zero, PROCESS_TILT * np.abs(beyond), zero),
        _field(zero, zero, PROCESS_TILT * np.abs(beyond)),
        _field(zero, zero, FACET_LENGTH * tall),
        _field(PROCESS_TILT * behind * ONE_SIDED, zero, zero),
    ]
    around = [np.exp(-0.5 * (((mean - place) / PEDICLE_REACH_MM) ** 2).sum(axis=1)) for place in isthmus]
    wide = [PEDICLE_WIDTH * (x - place[0]) * near for place, near in zip(isthmus, around, strict=True)]
    high = [PEDICLE_HEIGHT * (z - place[2]) * near for place, near in zip(isthmus, around, strict=True)]
    fields += [_field(wide[0] + wide[1], zero, zero), _field(ONE_SIDED * (wide[0] - wide[1]), zero, zero)]
    fields += [_field(zero, zero, high[0] + high[1])]
    return np.array(fields)


def _field(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    return np.stack([x, y, z], axis=1)


def _ramp(ahead_mm: FloatArray) -> FloatArray:
    share = np.clip(0.5 + ahead_mm / (2 * BLEND_MM), 0, 1)
    return np.asarray(share**2 * (3 - 2 * share))
