"""Steps 2 and 3: what the collapsed body looked like, made of its sound neighbours laid over it at the level's own size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.body import behind, endplates
from planning_core.anatomy.body_size import measure_size
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.fracture import expected_heights
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.morphometry import measure_heights
from planning_core.anatomy.shape.model import ACROSS, FORWARD, column_map, load_model
from planning_core.anatomy.vertebra import Heights, Spine, Vertebra
from planning_core.cement.fit import Fit, fit_neighbour, residual_structures
from planning_core.cement.settle import settled
from planning_core.cement.size import expected_size
from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import FloatArray

ROOM_MM = 16.0
"""The collapsed body's box is widened by this much: an intact body has to fit in."""


@attrs.frozen(eq=False)
class Template:
    """An intact body in the target's frame.

    Args:
        ideal: signed distance, mm, around the target's body; cut at its own posterior wall, resting on what stands.
        alone: the same of each neighbour alone, to see how much they disagree; empty when there are fewer than two.
        behind_mm: per voxel of ``ideal``, how far behind the neighbours' posterior wall it lies.
        fits: the neighbours in place.
        expected: heights it would have. source: ``two neighbours``, ``one neighbour``, ``level trend`` or ``shape model``.
        members: levels it was made of. shape_ml: one sigma of the deficit by the shape model, where that made it.
    """

    ideal: DistanceField
    alone: tuple[DistanceField, ...]
    behind_mm: FloatArray
    fits: tuple[Fit, ...]
    expected: Heights
    source: str
    members: tuple[VertebraLevel, ...]
    shape_ml: float = 0.0


def make_template(spine: Spine, level: VertebraLevel, config: AnatomyConfig) -> Template:
    """Average the signed distances of the nearest sound neighbours, each laid over what still stands.

    Without any sound neighbour the body itself is stretched to what a model of healthy bodies expects of it.
    """
    target = spine.vertebrae[level]
    expected, members, source = expected_heights(level, spine.vertebrae, config)
    grid = grid_around(target.body)
    points = grid.all_points()
    own_wall = behind(target.wall, points)
    if not members:
        ideal, sigma_ml = _by_shape(target, grid)
        heights = measure_heights(endplates(ideal), config)
        return Template(ideal, (), own_wall, (), heights, "shape model", (), sigma_ml)
    weights = np.array([1 / abs(v.ordinal - level.ordinal) for v in members])
    weights /= weights.sum()
    sizes = {v: measure_size(spine.vertebrae[v]) for v in members}
    want = expected_size(level, measure_size(target), sizes, list(weights))
    residual = residual_structures(target)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fits = tuple(pool.map(lambda v: fit_neighbour(target, spine.vertebrae[v], sizes[v], want, residual), members))
    there = [fit.warp(points) for fit in fits]
    wholes = [fit.neighbour.whole.at(place) for fit, place in zip(fits, there, strict=True)]
    walls = [behind(fit.neighbour.wall, place) for fit, place in zip(fits, there, strict=True)]
    ideal = settled(_cut(_mean(wholes, weights), own_wall, grid), target)
    alone = tuple(_cut(whole, own_wall, grid) for whole in wholes) if len(wholes) > 1 else ()
    return Template(ideal, alone, _mean(walls, weights), fits, expected, source, members)


def grid_around(body: DistanceField) -> Grid:
    """The body's own grid, cropped around it with room for an intact one."""
    reach = round(ROOM_MM / float(body.grid.spacing_mm[0]))
    box = ndi.find_objects(body.inside().astype(np.uint8))[0]
    near = tuple(slice(max(0, s.start - reach), min(n, s.stop + reach)) for s, n in zip(box, body.grid.shape, strict=True))
    return body.grid.crop(near)  # type: ignore[arg-type]


def _mean(fields: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
    return np.asarray(np.tensordot(weights, np.stack(fields), axes=1))


def _cut(whole: FloatArray, behind_mm: FloatArray, grid: Grid) -> DistanceField:
    """In front of the posterior wall, the piece that hangs together."""
    values = np.maximum(whole, behind_mm)
    parts, count = ndi.label(values < 0)
    if count > 1:
        largest = 1 + np.bincount(parts[parts > 0] - 1).argmax()
        values = np.where((parts > 0) & (parts != largest), 0.5, values)
    return DistanceField(values, grid)


def _by_shape(target: Vertebra, grid: Grid) -> tuple[DistanceField, float]:
    """The body pulled up and down, column by column, to the shape model's heights; with one sigma of what that adds, ml."""
    own = column_map(target)
    intact, covariance = load_model().expect(target.level, own)
    ratio = intact.height_mm / own.height_mm
    places = grid.all_points()
    row = (own.footprint.wall - places[..., 1]) / own.footprint.depth
    column = (places[..., 0] - own.footprint.middle) / own.footprint.half_width
    index = [np.interp(row, FORWARD, np.arange(len(FORWARD))), np.interp(column, ACROSS, np.arange(len(ACROSS)))]
    places[..., 2] /= ndi.map_coordinates(ratio, index, order=1, mode="nearest")
    stands = (target.body.values < 0).any(axis=0)
    per_column = float(stands.sum()) * float(np.prod(target.body.grid.spacing_mm[:2])) / ratio.size
    raised = (intact.height_mm > own.height_mm).ravel().astype(float)
    return DistanceField(target.body.at(places), grid), per_column * float(np.sqrt(raised @ covariance @ raised)) / 1000
