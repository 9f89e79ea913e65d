"""Healthy vertebrae compressed by a known map: fractures whose defect is known to the millilitre."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.fracture import assess
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_vertebra
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.geometry import DistanceField, Grid

KINDS = ("wedge", "biconcave", "crush")
WALL_TAPER_MM = 4.0


@attrs.frozen(eq=False)
class Compressed:
    """A spine with one level compressed, and what that took from its body, ml (from the map, on the fine grid)."""

    spine: Spine
    level: VertebraLevel
    truth_ml: float


def compress(spine: Spine, level: VertebraLevel, kind: str, loss: float, grow_mm: float = 0.0) -> Compressed:
    """Compress one body.

    Args:
        kind: ``wedge`` (front falls), ``biconcave`` (middle falls, both endplates) or ``crush`` (all falls, front most).
        loss: largest share of height lost. grow_mm: moves the mask's boundary out (negative: in) afterwards.
    """
    vertebra = spine.vertebrae[level]
    broken, truth = _warp(vertebra, kind, loss)
    field = DistanceField(broken.values - np.float32(grow_mm), broken.grid)
    boundary = DistanceField.from_mask(field.values < 0, _in_ct(vertebra, field.grid))
    config = AnatomyConfig()
    fresh = model_vertebra(
        level,
        boundary,
        vertebra.ct_lps_from_vertebra.rotation[:, 2],
        Grid((2, 2, 2), vertebra.voxel_mm, np.zeros(3), vertebra.ct_lps_from_vertebra.rotation),
        None,
        config,
    )
    vertebrae = {**spine.vertebrae, level: fresh}
    return Compressed(Spine(vertebrae, assess(vertebrae, config)), level, truth)


def _warp(vertebra: Vertebra, kind: str, loss: float) -> tuple[DistanceField, float]:
    """The whole vertebra with its body compressed, and the body's loss of volume."""
    body, whole = vertebra.body, vertebra.whole
    points = body.grid.all_points()
    inside = body.values < 0
    columns = inside.any(axis=0)
    z = points[:, 0, 0, 2]
    top = np.where(columns, z[len(z) - 1 - inside[::-1].argmax(axis=0)], 0.0)
    bottom = np.where(columns, z[inside.argmax(axis=0)], 0.0)
    x, y = points[0, ..., 0], points[0, ..., 1]
    back = vertebra.wall[0]
    front = float(np.percentile(y[columns], 1))
    forward = np.clip((back - y) / (back - front), 0, 1)
    taper = np.clip((back - y) / WALL_TAPER_MM, 0, 1)  # the posterior wall and the pedicles stand
    if kind == "wedge":
        upper, lower = loss * forward, 0 * forward
    elif kind == "biconcave":
        middle = (front + back) / 2
        bowl = np.exp(-((x / 15) ** 2 + ((y - middle) / 12) ** 2))
        upper, lower = 0.6 * loss * bowl, 0.4 * loss * bowl
    else:
        upper, lower = loss * (0.55 + 0.45 * forward), 0 * forward
    height = np.maximum(top - bottom, 1.0)
    new_top, new_bottom = top - upper * taper * height, bottom + lower * taper * height
    zz = points[..., 2]
    share = (zz - new_bottom) / np.maximum(new_top - new_bottom, 1.0)
    source = np.where(share > 1, zz - new_top + top, np.where(share < 0, zz - new_bottom + bottom, bottom + share * height))
    moved = points.copy()
    moved[..., 2] = np.where(columns & (y < back), source, zz)
    broken_body = DistanceField(body.at(moved), body.grid)
    broken = DistanceField(np.where(points[..., 1] < back, broken_body.values, whole.values), body.grid)
    return broken, body.volume_ml() - broken_body.volume_ml()


def _in_ct(vertebra: Vertebra, grid: Grid) -> Grid:
    """The vertebra's own grid seen in ct_lps."""
    pose = vertebra.ct_lps_from_vertebra
    return Grid(grid.shape, grid.spacing_mm, pose.apply(grid.origin_mm), pose.rotation, "ct_lps")
