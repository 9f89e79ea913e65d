"""Body, pedicles, laminae and processes told apart by where they lie around the canal."""

from __future__ import annotations

import numpy as np

from planning_core.anatomy.body import behind_on
from planning_core.anatomy.vertebra import Part, Vertebra
from planning_core.geometry.arrays import LabelArray

ARTICULAR_BEYOND_MM = 8.0
SPINOUS_HALF_WIDTH_MM = 7.0
TRANSVERSE_BEYOND_MM = 10.0


def name_parts(vertebra: Vertebra) -> LabelArray:
    """A ``Part`` per voxel of the vertebra's grid (uint8).

    Borders between posterior elements are conventions, not surfaces: pedicles end at the canal's middle, the spinous
    process begins behind the canal, transverse processes lie outside the pedicles, articular processes above and below.
    """
    whole, body, canal = vertebra.whole, vertebra.body, vertebra.passage
    x, _, z = whole.grid.axes()
    x = x - canal.centre[0]
    behind = behind_on(canal.wall, whole.grid)
    bone = whole.values < 0
    arch = bone & (body.values >= 0)
    depth = 2 * canal.half_depth_mm
    outer = canal.half_width_mm + TRANSVERSE_BEYOND_MM
    bridge = arch & (behind < 0.5 * depth) & (np.abs(x) < outer)
    heights = np.broadcast_to(z, bridge.shape)[bridge] if bridge.any() else np.zeros(1)
    low, high = np.percentile(heights, 10), np.percentile(heights, 90)
    parts = np.zeros(whole.grid.shape, np.uint8)
    parts[canal.field.values < 0] = Part.CANAL
    parts[arch] = Part.LAMINA
    parts[arch & (np.abs(x) > 3) & (z > high + ARTICULAR_BEYOND_MM / 2)] = Part.ARTICULAR_SUPERIOR
    parts[arch & (np.abs(x) > 3) & (z < low - ARTICULAR_BEYOND_MM / 2) & (behind > 0.5 * depth)] = Part.ARTICULAR_INFERIOR
    parts[arch & (behind > depth + 3) & (np.abs(x) < SPINOUS_HALF_WIDTH_MM)] = Part.SPINOUS_PROCESS
    parts[arch & (x > outer)] = Part.TRANSVERSE_LEFT
    parts[arch & (x < -outer)] = Part.TRANSVERSE_RIGHT
    parts[bridge & (x > 0)] = Part.PEDICLE_LEFT
    parts[bridge & (x < 0)] = Part.PEDICLE_RIGHT
    parts[body.values < 0] = Part.BODY
    return parts
