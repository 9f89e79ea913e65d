"""Steps 2 and 3: what the collapsed body looked like, made of its neighbours' bodies at the level's own size."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.fracture import expected_heights
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Heights, Spine, Vertebra
from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import FloatArray

ROOM_MM = 16.0
"""The collapsed body's box is widened by this much: an ideal body has to fit in after it moved."""


@attrs.frozen(eq=False)
class Template:
    """An intact vertebra in the target's frame, before it is fitted.

    Args:
        body: signed distance, mm, around the target's body. whole: the same of the whole vertebra, on a coarser grid.
        expected: heights it has. source: ``two neighbours``, ``one neighbour``, ``level trend`` or
            ``typical proportions``.
        members: levels it was made of.
    """

    body: DistanceField
    whole: DistanceField
    expected: Heights
    source: str
    members: tuple[VertebraLevel, ...]


def make_template(
    spine: Spine, level: VertebraLevel, config: AnatomyConfig, members: Sequence[VertebraLevel] | None = None
) -> Template:
    """Average the signed distances of the nearest sound vertebrae, each scaled to this level's size.

    Heights come from the level trend; width and depth from the collapsed body itself where it agrees with the neighbours,
    since collapse changes them least.

    Args:
        members: use only these neighbours (to see how much they disagree).

    Without any sound neighbour the body itself is stretched to the proportions typical of its level.
    """
    target = spine.vertebrae[level]
    expected, chosen, source = expected_heights(level, spine.vertebrae, config)
    used = tuple(members) if members is not None else chosen
    if not used:
        return Template(_stretched(target, expected), target.whole, expected, "typical proportions", ())
    weight = np.array([1 / abs(v.ordinal - level.ordinal) for v in used])
    weight /= weight.sum()
    girth = _girth(target, [spine.vertebrae[v] for v in used], weight)
    bodies, wholes = [], []
    grid, coarse = _grids(target)
    for name in used:
        neighbour = spine.vertebrae[name]
        scale = np.array([*(girth / _width_depth(neighbour)), _height(expected) / _height(neighbour.heights)])
        # the posterior wall is what both share: put wall on wall rather than centre on centre
        shift = target.wall[0] - neighbour.wall[0] * scale[1]
        bodies.append(_scaled(neighbour.body, grid, scale, shift))
        wholes.append(_scaled(neighbour.whole, coarse, scale, shift))
    body = np.tensordot(weight, np.stack(bodies), axes=1)
    whole = np.tensordot(weight, np.stack(wholes), axes=1)
    return Template(DistanceField(body, grid), DistanceField(whole, coarse), expected, source, used)


def _grids(target: Vertebra) -> tuple[Grid, Grid]:
    """The target's grid around its body, for the template's body, and half as fine everywhere, for the fit."""
    grid, inside = target.body.grid, target.body.inside()
    reach = round(ROOM_MM / float(grid.spacing_mm[0]))
    box = ndi.find_objects(inside.astype(np.uint8))[0]
    near = tuple(slice(max(0, s.start - reach), min(n, s.stop + reach)) for s, n in zip(box, grid.shape, strict=True))
    return grid.crop(near), grid.resampled(2 * float(grid.spacing_mm[0]))  # type: ignore[arg-type]


def _height(heights: Heights) -> float:
    return (heights.anterior_mm + heights.middle_mm + heights.posterior_mm) / 3


def _width_depth(vertebra: Vertebra) -> FloatArray:
    """Width and depth of a body: extent of its columns, without the outermost ones, mm."""
    columns = (vertebra.body.values < -1).sum(axis=0) > 4
    grid = vertebra.body.grid
    j, i = np.nonzero(columns)
    places = grid.points(np.column_stack([np.zeros(len(j)), j, i]))
    return np.array([np.subtract(*np.percentile(places[:, axis], (99, 1))) for axis in (0, 1)])


def _girth(target: Vertebra, neighbours: Sequence[Vertebra], weight: FloatArray) -> FloatArray:
    """Width and depth to give the template: half the neighbours', half the target's own, whose rim may bulge or be cut."""
    theirs = np.exp(weight @ np.log([_width_depth(n) for n in neighbours]))
    own = np.clip(_width_depth(target), 0.92 * theirs, 1.08 * theirs)
    return np.asarray(np.sqrt(theirs * own))


def _stretched(target: Vertebra, expected: Heights) -> DistanceField:
    """The body pulled up and down, column by column, until its rims have the expected heights."""
    grid, _ = _grids(target)
    places = grid.all_points()
    own = target.heights
    front = max(1.0, expected.anterior_mm / own.anterior_mm)
    back = max(1.0, expected.posterior_mm / own.posterior_mm)
    depth = _width_depth(target)[1]
    share = np.clip((target.wall[0] - places[..., 1]) / depth, 0, 1)
    places[..., 2] /= back + (front - back) * share
    return DistanceField(target.body.at(places), grid)


def _scaled(field: DistanceField, grid: Grid, scale: FloatArray, shift_y: float) -> FloatArray:
    """A field stretched about its origin and shifted, sampled on a target grid; distances by the mean stretch."""
    places = grid.all_points()
    places[..., 1] -= shift_y
    return field.at(places / scale) * float(np.cbrt(np.prod(scale)))
