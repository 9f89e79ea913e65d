"""The body within a vertebra: its canal, its posterior wall and its endplates, in the vertebra's own frame."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.errors import PkpError
from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import BoolArray, FloatArray

CANAL_AREA_MM2 = (90.0, 900.0)
CANAL_WITHIN_MM = 14.0


class ModelError(PkpError):
    """A vertebra that cannot be modelled. Carries ``level`` and ``step``."""

    code = "model"


@attrs.frozen(eq=False)
class Canal:
    """The vertebral canal at one level, in the vertebra's frame.

    Args:
        field: signed distance, mm, negative inside.
        centre: (2,) x and y of its middle at the height of the pedicles, mm. half_width_mm, half_depth_mm: there.
        wall: (3,) plane y = wall[0] + wall[1] x + wall[2] z: the posterior wall of the body, the canal's front.
    """

    field: DistanceField
    centre: FloatArray
    half_width_mm: float
    half_depth_mm: float
    wall: FloatArray

    def behind_wall(self, points: FloatArray) -> FloatArray:
        """(...,) mm: how far points (..., 3) lie behind the posterior wall."""
        return behind(self.wall, points)


def behind(wall: FloatArray, points: FloatArray) -> FloatArray:
    """(...,) how far points (..., 3) lie behind a posterior wall y = wall[0] + wall[1] x + wall[2] z, mm along y."""
    return np.asarray(points[..., 1] - wall[0] - wall[1] * points[..., 0] - wall[2] * points[..., 2])


def behind_on(wall: FloatArray, grid: Grid) -> FloatArray:
    """(nk, nj, ni) the same of every voxel of a grid that lies along its frame's axes."""
    x, y, z = grid.axes()
    return np.asarray(y - wall[0] - wall[1] * x - wall[2] * z)


def find_canal_in(whole: DistanceField) -> Canal | None:
    """The hole that arch and body enclose; ``None`` where no slice is enclosed, however much the mask is closed.

    Args:
        whole: one vertebra in its own frame (x left, y posterior, z superior), body's centre at the origin.
    """
    spacing = float(whole.grid.spacing_mm[0])
    height = whole.grid.axes()[2].ravel()
    for closing_mm in (0.0, 1.0, 2.0, 3.5, 5.0):
        solid = [np.asarray(plane < closing_mm) for plane in whole.values]
        holes = np.zeros(whole.grid.shape, bool)
        for k in range(len(solid)):
            if abs(height[k]) > 22:
                continue
            parts, count = ndi.label(~solid[k])
            open_ = {*parts[0].tolist(), *parts[-1].tolist(), *parts[:, 0].tolist(), *parts[:, -1].tolist()}
            for n in set(range(1, count + 1)) - open_:
                part: BoolArray = np.asarray(parts == n)
                x, y = _in_slice(whole.grid, k, part)[:, :2].mean(axis=0)
                # closing by c mm also shrank the hole by c all round
                area = (np.sqrt(part.sum() * spacing**2 / np.pi) + closing_mm) ** 2 * np.pi
                if CANAL_AREA_MM2[0] < area < CANAL_AREA_MM2[1] and abs(x) < CANAL_WITHIN_MM and 5 < y < 50:
                    holes[k] |= part
        if (closing_mm == 0 and holes.any(axis=(1, 2)).sum() * spacing >= 4) or (closing_mm > 0 and holes.any()):
            if closing_mm:
                grown = ndi.distance_transform_edt(~holes, spacing) < closing_mm
                enclosed = np.asarray(holes.any(axis=(1, 2)))
                holes = np.asarray(grown & (whole.values > 0) & enclosed[:, None, None])
            return _canal(holes, whole.grid)
    return None


def _in_slice(grid: Grid, k: int, mask: BoolArray) -> FloatArray:
    """(n, 3) mm: the voxels of slice ``k`` where a mask (nj, ni) holds."""
    rows_columns = np.argwhere(mask)
    return grid.points(np.column_stack([np.full(len(rows_columns), k), rows_columns]))


def _canal(holes: BoolArray, grid: Grid) -> Canal:
    rows = np.flatnonzero(holes.any(axis=(1, 2)))
    height = grid.axes()[2].ravel()
    z = height[rows]
    points = {int(k): _in_slice(grid, int(k), holes[k]) for k in rows}
    front = np.array([np.percentile(points[k][:, 1], 4) for k in points])
    middle = np.array([points[k][:, :2].mean(axis=0) for k in points])
    slope = float(np.clip(np.polyfit(z, front, 1)[0], -0.35, 0.35)) if len(rows) > 5 else 0.0
    half = float(grid.spacing_mm[0]) / 2
    wall = np.array([np.median(front - slope * z) - half, 0.0, slope])
    # outside the enclosed slices the canal goes on as in the nearest of them, following the wall
    tube = np.zeros(grid.shape, bool)
    for k in range(grid.shape[0]):
        nearest = rows[np.abs(rows - k).argmin()]
        rise = height[k] - height[nearest]
        shift = round(slope * rise / float(grid.spacing_mm[1]))
        tube[k] = np.roll(holes[nearest], shift, axis=0)
    extent = points[int(rows[len(rows) // 2])]
    return Canal(
        DistanceField.from_mask(tube, grid, smooth_mm=0.7),
        middle.mean(axis=0),
        float(np.ptp(extent[:, 0])) / 2,
        float(np.ptp(extent[:, 1])) / 2,
        wall,
    )


def cut_body(whole: DistanceField, canal: Canal) -> DistanceField:
    """The body alone: everything in front of the posterior wall that hangs together.

    The cut is a plane, so the result is the larger of the two distances, exact on both surfaces.
    """
    values = np.maximum(whole.values, behind_on(canal.wall, whole.grid).astype(np.float32))
    parts, count = ndi.label(values < 0)
    if count > 1:
        largest = 1 + np.bincount(parts[parts > 0] - 1).argmax()
        values = np.where((parts > 0) & (parts != largest), 0.5, values)
    return DistanceField(values, whole.grid)


@attrs.frozen(eq=False)
class Endplates:
    """Top and bottom of a body, column by column.

    Args:
        x, y: (n,) column places, mm. top, bottom: (n,) z of the two endplates there, mm.
    """

    x: FloatArray
    y: FloatArray
    top: FloatArray
    bottom: FloatArray

    def normal(self, surface: FloatArray, within_mm: float = 13.0) -> FloatArray:
        """(3,) unit normal (upwards) of a plane through the columns near the middle, robust to a few outliers."""
        near = self.x**2 + (self.y - np.median(self.y)) ** 2 < within_mm**2
        design = np.column_stack([self.x[near], self.y[near], np.ones(near.sum())])
        weight = np.ones(near.sum())
        slopes = np.zeros(3)
        for _ in range(5):
            slopes = np.linalg.lstsq(design * weight[:, None], surface[near] * weight, rcond=None)[0]
            residual = surface[near] - design @ slopes
            weight = 1 / (1 + (residual / 1.5) ** 2)
        normal = np.array([-slopes[0], -slopes[1], 1.0])
        return np.asarray(normal / np.linalg.norm(normal))


def endplates(body: DistanceField) -> Endplates:
    """Where each column through the body enters and leaves bone, with sub-voxel places from the field."""
    inside = body.values < 0
    counted = inside.any(axis=0)
    z = body.grid.points(np.column_stack([np.arange(len(inside)), *np.zeros((2, len(inside)))]))[:, 2]
    spacing = float(body.grid.spacing_mm[2])
    last = len(inside) - 1 - inside[::-1].argmax(axis=0)
    first = inside.argmax(axis=0)
    j, i = np.nonzero(counted)
    top, bottom = last[j, i], first[j, i]

    def crossing(inner: np.ndarray, step: int) -> FloatArray:
        outer = np.clip(inner + step, 0, len(inside) - 1)
        a, b = body.values[inner, j, i], body.values[outer, j, i]
        share = np.where(b > a, -a / np.maximum(b - a, 1e-6), 0.5)
        return np.asarray(z[inner] + step * np.clip(share, 0, 1) * spacing, dtype=np.float64)

    places = body.grid.points(np.column_stack([np.zeros(len(j)), j, i]))
    return Endplates(places[:, 0], places[:, 1], crossing(top, 1), crossing(bottom, -1))
