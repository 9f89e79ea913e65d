"""Collapse as modes of a mean shape: its body's columns shortened by the shared map of fractures, bulging as they sink."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import RBFInterpolator

from planning_core.anatomy.collapse import KINDS, LATERAL_RATIO, BodyBox, lost_shares
from planning_core.anatomy.shape_model.surface import vertex_normals
from planning_core.anatomy.vertebra import Part
from planning_core.geometry.arrays import FloatArray, IntArray, LabelArray

ENDPLATE_NORMAL = 0.7
SMOOTHING = 3.0
LEAST_HEIGHT_MM = 5.0


def collapse_modes(mean: FloatArray, triangles: IntArray, parts: LabelArray, wall: FloatArray) -> FloatArray:
    """(3, n, 3) mm: how each vertex moves by a whole unit of wedge, biconcave and crush.

    Endplates come together column by column as ``lost_shares`` says; what lies between them moves in proportion, and outwards
    by ``LATERAL_RATIO`` of the height lost, most at half height. Nothing behind the posterior wall moves.

    Args:
        mean: (n, 3) mm in the vertebra's frame. parts: (n,). wall: posterior wall plane as in ``Vertebra``.
    """
    body = parts == Part.BODY
    normals = vertex_normals(mean, triangles)
    top, bottom = (_endplate(mean, body & (sign * normals[:, 2] > ENDPLATE_NORMAL) & (sign * mean[:, 2] > 0)) for sign in (1, -1))
    x, y, z = mean.T
    back = wall[0] + wall[1] * x + wall[2] * z
    box = BodyBox(float(np.median(x[body])), float(wall[0]), float(np.percentile(y[body], 1)))
    height = np.maximum(top - bottom, LEAST_HEIGHT_MM)
    share = np.clip((z - bottom) / height, 0, 1)
    # a leaning wall: columns count by how far they stand in front of it
    straight = y - back + wall[0]
    belly = LATERAL_RATIO * 4 * share * (1 - share)
    modes = []
    for kind in KINDS:
        upper, lower = lost_shares(kind, x, straight, box)
        out = belly * (upper + lower)
        forward = np.minimum(straight - (box.back + box.front) / 2, 0.0)
        sunk = height * (lower - share * (upper + lower))
        modes.append(np.where(body[:, None], np.stack([out * (x - box.middle), out * forward, sunk], axis=1), 0.0))
    return np.array(modes)


def _endplate(mean: FloatArray, chosen: np.ndarray) -> FloatArray:
    """(n,) height of a smooth surface through the chosen vertices over the place of every vertex (thin plate)."""
    return np.asarray(RBFInterpolator(mean[chosen, :2], mean[chosen, 2], smoothing=SMOOTHING, neighbors=60)(mean[:, :2]))
