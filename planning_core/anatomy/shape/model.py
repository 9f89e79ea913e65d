"""A statistical model of a body's column heights, conditioned on the columns that still stand.

A body is a map of column heights over its footprint (across, and forward from the posterior wall), over its girth, the root of
width times depth, which collapse hardly changes. Maps vary linearly with the level and about that in a few modes (principal
components). Columns at the posterior wall mostly stand: given them, the others follow with their covariance.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry.arrays import BoolArray, FloatArray

ACROSS = np.linspace(-0.85, 0.85, 9)
FORWARD = np.linspace(0.06, 0.94, 9)
BACK_ROWS = 1
"""Rows of columns next to the posterior wall that are taken to stand; two or three millimetres further in, they may not."""
MODES = 5
SMOOTH_MM = 1.5
LOW_COLUMN = 0.35
MIDDLE_LEVEL = 12.0
READING_MM = 3.0
"""One sigma of a column's height as read: nine columns of a row err together, so that the row tells 1 mm."""


@attrs.frozen
class Footprint:
    """Where a body's columns stand, mm in its frame: middle and half-width across, posterior wall, depth."""

    middle: float
    half_width: float
    wall: float
    depth: float

    @property
    def girth_mm(self) -> float:
        """Root of width times depth."""
        return float(np.sqrt(2 * self.half_width * self.depth))

    def places(self) -> tuple[FloatArray, FloatArray]:
        """x and y (9, 9) of the map's columns, mm; rows run forward."""
        y, x = np.meshgrid(self.wall - FORWARD * self.depth, self.middle + ACROSS * self.half_width, indexing="ij")
        return x, y


@attrs.frozen(eq=False)
class ColumnMap:
    """Column heights of a body.

    Args:
        footprint: where they stand. height_mm: (9, 9), rows from the posterior wall forward.
    """

    footprint: Footprint
    height_mm: FloatArray


@attrs.frozen(eq=False)
class ShapeModel:
    """Mean, slope per level, modes and what they leave, of column heights over girth.

    Args:
        mean, slope: (81,). modes: (k, 81), each of one sigma. rest: (81,) sigma of what the modes leave.
    """

    mean: FloatArray
    slope: FloatArray
    modes: FloatArray
    rest: FloatArray

    def expect(self, level: VertebraLevel, own: ColumnMap) -> tuple[ColumnMap, FloatArray]:
        """Intact column heights of a body given its girth and the columns at its posterior wall, and their covariance.

        Returns:
            the map, nowhere below what stands, and (81, 81) mm².
        """
        girth = own.footprint.girth_mm
        prior = girth * (self.mean + (level.ordinal - MIDDLE_LEVEL) * self.slope)
        covariance = girth**2 * (self.modes.T @ self.modes + np.diag(self.rest**2))
        seen = np.arange(BACK_ROWS * len(ACROSS))
        noise = READING_MM**2 * np.eye(len(seen))
        gain = np.linalg.solve(covariance[np.ix_(seen, seen)] + noise, covariance[seen]).T
        found = prior + gain @ (own.height_mm.ravel()[seen] - prior[seen])
        intact = np.maximum(found.reshape(own.height_mm.shape), own.height_mm)
        return ColumnMap(own.footprint, intact), covariance - gain @ covariance[seen]


def column_map(vertebra: Vertebra) -> ColumnMap:
    """Column heights of a body over its footprint, lightly smoothed."""
    body = vertebra.body
    h = float(body.grid.spacing_mm[0])
    height = np.clip(0.5 - body.values / h, 0, 1).sum(axis=0) * h
    at = body.grid.points(np.stack(np.broadcast_arrays(0, *np.indices(height.shape)), axis=-1))
    x, y = at[..., 0], at[..., 1]
    full = height > LOW_COLUMN * np.percentile(height[height > h], 75)
    left, right = np.percentile(x[full], (2, 98))
    wall = float(vertebra.wall[0])
    footprint = Footprint(float(left + right) / 2, float(right - left) / 2, wall, wall - float(np.percentile(y[full], 2)))
    places = np.stack([*footprint.places(), np.zeros((len(FORWARD), len(ACROSS)))], axis=-1)
    index = np.moveaxis(body.grid.indices(places)[..., 1:], -1, 0)
    return ColumnMap(footprint, ndi.map_coordinates(_filled(height, full, SMOOTH_MM / h), index, order=1, mode="nearest"))


def learn(bodies: Sequence[tuple[VertebraLevel, ColumnMap]]) -> ShapeModel:
    """The model of some healthy bodies."""
    maps = np.array([(m.height_mm / m.footprint.girth_mm).ravel() for _, m in bodies])
    place = np.array([level.ordinal - MIDDLE_LEVEL for level, _ in bodies])
    line = np.linalg.lstsq(np.column_stack([np.ones(len(place)), place]), maps, rcond=None)[0]
    left = maps - line[0] - place[:, None] * line[1]
    free = max(1, len(left) - 2)
    _, sigma, modes = np.linalg.svd(left, full_matrices=False)
    scaled = modes[:MODES] * sigma[:MODES, None] / np.sqrt(free)
    rest = np.sqrt(np.maximum((left**2).sum(axis=0) / free - (scaled**2).sum(axis=0), 1e-8))
    return ShapeModel(line[0], line[1], scaled, rest)


@functools.cache
def load_model() -> ShapeModel:
    """The model that is shipped."""
    with files(__package__).joinpath("columns.npz").open("rb") as file, np.load(file) as table:
        return ShapeModel(*(np.asarray(table[name], float) for name in ("mean", "slope", "modes", "rest")))


def _filled(height: FloatArray, full: BoolArray, sigma: float) -> FloatArray:
    """Heights of full columns smoothed among themselves, and carried on outside."""
    weight = ndi.gaussian_filter(full.astype(float), sigma)
    smooth = ndi.gaussian_filter(np.where(full, height, 0.0), sigma) / np.maximum(weight, 1e-9)
    nearest = ndi.distance_transform_edt(weight < 0.05, return_distances=False, return_indices=True)
    return np.asarray(smooth[tuple(nearest)])
