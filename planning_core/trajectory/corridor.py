"""The bone around one pedicle, as the search sees it: always as if it were the left side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.body import behind, endplates
from planning_core.anatomy.redistance import redistanced
from planning_core.anatomy.vertebra import Side, Vertebra
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_float64

CANAL_SLAB_MM = 12.0
STRIP_MM = 2.0
CORE_SHARE = 0.42
GATE_STEP_MM = 1.0
BESIDE_CANAL_MM = 15.0
GATE_HEIGHT_MM = (-12.0, 22.0)
CORE_AHEAD_MM = 5.0
ROOT_MM = 6.0
ARCH_MM = 2.0


@attrs.frozen(eq=False)
class Corridor:
    """One side of a vertebra in lateral coordinates.

    Lateral coordinates are mm in the vertebra's frame with x counted from the midline towards the side (y posterior, z
    superior), so that one search serves both sides and mirrored anatomy gives mirrored paths.

    Args:
        side: the pedicle. sign: +1 left, -1 right. midline_mm: x of the midline in the vertebra's frame.
        whole, canal: the vertebra's fields. fine: ``whole`` around the pedicle, its depths measured again (see redistance).
        sure: the same wherever within its voxel the wall may lie: the shallowest within half a voxel of the input each way.
        wall: posterior wall, plane y = wall[0] + wall[1] x + wall[2] z in lateral coordinates.
        pedicle_end_mm: how far behind the wall the pedicle ends: the canal's middle depth.
        canal_half_width_mm: of the canal at the pedicle's height.
        top, bottom: (nj, ni) z of the endplates over the grid's columns.
        columns: (n, 2) lateral x and y of the body's columns.
        width_mm, back_mm: width of the body's front half, y of its posterior wall in the midline.
        centre: (3,) where the pedicle is deepest half way along it.
        others: neighbouring vertebrae, each with the transform from this vertebra's frame into its own.
        to_ct: T_ct_lps_vertebra.
        offsets_mm: (s, 3) lateral, how far from where the fields have it the pedicle may stand, each as likely; none on a CT.
    """

    side: Side
    sign: float
    midline_mm: float
    whole: DistanceField
    fine: DistanceField
    sure: DistanceField
    canal: DistanceField
    wall: FloatArray = attrs.field(converter=frozen_float64)
    pedicle_end_mm: float
    canal_half_width_mm: float
    top: FloatArray = attrs.field(converter=frozen_float64)
    bottom: FloatArray = attrs.field(converter=frozen_float64)
    columns: FloatArray = attrs.field(converter=frozen_float64)
    width_mm: float
    back_mm: float
    centre: FloatArray = attrs.field(converter=frozen_float64)
    others: tuple[tuple[RigidTransform, DistanceField], ...]
    to_ct: RigidTransform
    offsets_mm: FloatArray = attrs.field(default=((0.0, 0.0, 0.0),), converter=frozen_float64)

    @property
    def settled(self) -> Corridor:
        """The same with the pedicle where it most likely stands, as if that were sure."""
        return attrs.evolve(self, offsets_mm=self.offsets_mm.mean(axis=0, keepdims=True))

    def in_frame(self, points: FloatArray) -> FloatArray:
        """Lateral points (..., 3) in the vertebra's frame."""
        framed = np.array(points)
        framed[..., 0] = framed[..., 0] * self.sign + self.midline_mm
        return framed

    def from_frame(self, points: FloatArray) -> FloatArray:
        """The inverse of ``in_frame``."""
        return np.asarray((points - [self.midline_mm, 0.0, 0.0]) * [self.sign, 1.0, 1.0])

    def to_lps(self, points: FloatArray) -> FloatArray:
        """Lateral points (..., 3) in ct_lps mm."""
        return self.to_ct.apply(self.in_frame(points))

    def depth(self, points: FloatArray) -> FloatArray:
        """(...,) mm of bone around lateral points; negative outside."""
        framed = self.in_frame(points)
        near = self.fine.grid.contains(framed)
        depth = np.empty(framed.shape[:-1])
        depth[near] = -self.fine.at(framed[near])
        depth[~near] = -self.whole.at(framed[~near])
        return depth

    def wall_depth(self, points: FloatArray) -> FloatArray:
        """(...,) mm of bone around lateral points near the pedicle, where it most likely stands; negative outside."""
        return self.depth(points - self.offsets_mm.mean(axis=0))

    def least_depth(self, points: FloatArray) -> FloatArray:
        """(n,) mm: least bone around any lateral point (n, m, 3) of a line, as expected over where the pedicle may stand."""
        return np.asarray(np.mean([self.depth(points - o).min(axis=1) for o in self.offsets_mm], axis=0))

    def least_sure_depth(self, points: FloatArray) -> FloatArray:
        """(n,) the same of the bone that thick slices cannot take away."""
        return np.asarray(np.mean([-self.sure.at(self.in_frame(points - o)).max(axis=1) for o in self.offsets_mm], axis=0))

    def canal_distance(self, points: FloatArray) -> FloatArray:
        """(...,) mm from lateral points to the canal; negative inside it."""
        return self.canal.at(self.in_frame(points))

    def behind_wall(self, points: FloatArray) -> FloatArray:
        """(...,) mm that lateral points lie behind the body's posterior wall."""
        return behind(self.wall, points)

    def endplate_distance(self, points: FloatArray) -> FloatArray:
        """(...,) mm up or down to the nearer endplate, negative beyond it; infinite outside the body's core.

        Near its rim and at the pedicles' roots a body's columns are short without an endplate being near.
        """
        index = self.whole.grid.indices(self.in_frame(points))[..., 1:]
        flat = index.reshape(-1, 2).T
        top = ndi.map_coordinates(self.top, flat, order=1, mode="nearest").reshape(index.shape[:-1])
        bottom = ndi.map_coordinates(self.bottom, flat, order=1, mode="nearest").reshape(index.shape[:-1])
        core = (np.abs(points[..., 0]) < CORE_SHARE * self.width_mm) & (self.behind_wall(points) < -CORE_AHEAD_MM)
        return np.where(core, np.minimum(top - points[..., 2], points[..., 2] - bottom), np.inf)

    def other_distance(self, points: FloatArray) -> FloatArray:
        """(...,) mm to the nearest neighbouring vertebra; infinite where none is known."""
        nearest = np.full(points.shape[:-1], np.inf)
        framed = self.in_frame(points)
        for transform, field in self.others:
            nearest = np.minimum(nearest, field.at(transform.apply(framed)))
        return nearest

    def on_gate_plane(self, xz: FloatArray) -> FloatArray:
        """Lateral points (n, 3) half way along the pedicle at (n, 2) x and z."""
        y = self.wall[0] + self.wall[1] * xz[:, 0] + self.wall[2] * xz[:, 1] + self.pedicle_end_mm / 2
        return np.column_stack([xz[:, 0], y, xz[:, 1]])

    def gates(self) -> FloatArray:
        """(n, 3) lattice half way along the pedicle, from the canal's side outwards."""
        x = np.arange(0.3 * self.canal_half_width_mm, self.canal_half_width_mm + BESIDE_CANAL_MM, GATE_STEP_MM)
        z = np.arange(*GATE_HEIGHT_MM, GATE_STEP_MM)
        return self.on_gate_plane(np.stack(np.meshgrid(x, z, indexing="ij"), axis=-1).reshape(-1, 2))

    def front(self, x: float) -> float:
        """y of the body's anterior wall at a lateral coordinate, mm."""
        near = np.abs(self.columns[:, 0] - x) < STRIP_MM
        return float((self.columns[near] if near.any() else self.columns)[:, 1].min())

    def middle_z(self, x: float, y: float) -> tuple[float, float]:
        """Bottom and top endplate (z, mm) at a lateral place."""
        index = self.whole.grid.indices(self.in_frame(np.array([x, y, 0.0])))[1:, None]
        values = [float(ndi.map_coordinates(m, index, order=1, mode="nearest")[0]) for m in (self.bottom, self.top)]
        return values[0], values[1]


def corridors(
    vertebra: Vertebra, others: tuple[Vertebra, ...], offsets_mm: Mapping[Side, FloatArray] | None = None
) -> dict[Side, Corridor]:
    """Both sides of a vertebra.

    Args:
        vertebra: the level to reach. others: modelled neighbours whose bone the cannula must not touch.
        offsets_mm: by side, (s, 3) in the vertebra's frame, see ``Corridor``; a side without stands where the field has it.
    """
    grid = vertebra.whole.grid
    rows = np.abs(grid.points(np.column_stack([np.arange(grid.shape[0]), *np.zeros((2, grid.shape[0]))]))[:, 2]) < CANAL_SLAB_MM
    inside = np.argwhere((vertebra.canal.values < 0) & rows[:, None, None])
    points = grid.points(inside)
    back_mm = behind(vertebra.wall, points)
    half_voxel = float(grid.spacing_mm[1]) / 2
    midline = float((points[:, 0].min() + points[:, 0].max()) / 2)
    ends = endplates(vertebra.body)
    columns = grid.indices(np.column_stack([ends.x, ends.y, np.zeros(len(ends.x))]))[:, 1:].round().astype(int)
    top, bottom = (_map(grid.shape[1:], columns, values) for values in (ends.top, ends.bottom))
    back = float(vertebra.wall[0])
    anterior = ends.y < (float(ends.y.min()) + back) / 2
    width = float(np.ptp(ends.x[anterior]))
    from_ct = [v.ct_lps_from_vertebra.inverse() @ vertebra.ct_lps_from_vertebra for v in others]
    half_way = max(float(back_mm.max() + half_voxel) / 2, 2.0) / 2

    def one(side: Side, sign: float) -> Corridor:
        empty = Corridor(
            side,
            sign,
            midline,
            vertebra.whole,
            vertebra.whole,
            vertebra.whole,
            vertebra.canal,
            # the wall's plane seen from the midline towards the side
            [vertebra.wall[0] + vertebra.wall[1] * midline, sign * vertebra.wall[1], vertebra.wall[2]],
            2 * half_way,
            float(np.ptp(points[:, 0])) / 2 + half_voxel,
            top,
            bottom,
            np.column_stack([sign * (ends.x - midline), ends.y]),
            width,
            back,
            np.zeros(3),
            tuple((t, v.whole) for t, v in zip(from_ct, others, strict=True)),
            vertebra.ct_lps_from_vertebra,
        )
        gates = empty.gates()
        corners = np.array([gates.min(axis=0), gates.max(axis=0)])
        corners[:, 1] += [-half_way - ROOT_MM, 3 * half_way + ARCH_MM]
        corners = empty.in_frame(corners)
        fine = redistanced(vertebra.whole, corners.min(axis=0), corners.max(axis=0))
        voxel = np.maximum(2 * np.round(vertebra.voxel_mm[::-1] / 2 / fine.grid.spacing_mm[::-1]).astype(int) + 1, 1)
        sure = DistanceField(ndi.maximum_filter(fine.values, tuple(voxel), mode="nearest"), fine.grid)
        stands = (offsets_mm or {}).get(side, np.zeros((1, 3))) * [sign, 1.0, 1.0]
        empty = attrs.evolve(empty, fine=fine, sure=sure, offsets_mm=stands)
        return attrs.evolve(empty, centre=gates[empty.depth(gates).argmax()])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sides = {side: pool.submit(one, side, sign) for side, sign in ((Side.LEFT, 1.0), (Side.RIGHT, -1.0))}
    return {side: corridor.result() for side, corridor in sides.items()}


def _map(shape: tuple[int, ...], columns: np.ndarray, values: FloatArray) -> FloatArray:
    """Column values on the whole (nj, ni) plane, the nearest column's where there is none."""
    plane = np.full(shape, np.nan)
    plane[columns[:, 0], columns[:, 1]] = values
    nearest = ndi.distance_transform_edt(np.isnan(plane), return_distances=False, return_indices=True)
    return np.asarray(plane[tuple(nearest)])
