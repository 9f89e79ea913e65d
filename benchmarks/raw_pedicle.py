"""Needle paths measured on a label map as it is stored: no smoothing, no distance field, none of the planner's measures.

The *pedicle* of a path is judged where a breach means leaving the bridge between body and arch: it ends in front where the
canal ends beside the path (the posterior wall of the body), and behind at half the canal's own depth, where the isthmus is
past and the bone opens into lamina, articular and transverse process. Further back the cannula must come through the bone's
posterior face, so there its distance to the surface is not a clearance; canal contact still counts all along.
"""

from __future__ import annotations

import attrs
import numpy as np
from scipy.ndimage import binary_closing, label, map_coordinates
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Side, Vertebra
from planning_core.geometry import Grid
from planning_core.geometry.arrays import BoolArray, FloatArray

DIAMETER_MM = 3.2
WANTED_MM = 1.0
STEP_MM = 0.25
CANAL_LEAST_MM = 8.0
CANAL_MIDDLE_MM = 4.0
CANAL_DEPTH_MM = (10.0, 26.0)
USUAL_CANAL_DEPTH_MM = 16.0
TIP_MM = 1.0
LOOK_MM = 60.0
LOOK_STEP_MM = 0.5


@attrs.frozen(eq=False)
class RawBone:
    """One vertebra of a label map as it is stored: voxels, and a triangle surface half way between in- and outside ones."""

    mask: BoolArray
    grid: Grid
    surface: cKDTree
    canal: BoolArray

    @classmethod
    def of(cls, segmentation: SpineSegmentation, level: VertebraLevel) -> RawBone:
        """Cut out of the label map, with points on the surface no further apart than about a third of a millimetre."""
        index = np.argwhere(segmentation.labels == level.verse_id)
        low, high = np.maximum(index.min(axis=0) - 2, 0), index.max(axis=0) + 3
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        mask = segmentation.labels[box] == level.verse_id
        grid = segmentation.grid.crop(box)  # type: ignore[arg-type]
        vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5)
        corners = grid.points(vertices - 1)[faces]
        shares = np.array([(a, b, 5 - a - b) for a in range(6) for b in range(6 - a)]) / 5.0
        return cls(mask, grid, cKDTree(np.einsum("sk,fkx->fsx", shares, corners).reshape(-1, 3)), _canal_voxels(mask, grid))

    def inside(self, points: FloatArray) -> BoolArray:
        """Whether points (..., 3) ct_lps lie in bone, linear between voxels."""
        return _linear(self.mask, self.grid, points)

    def in_canal(self, points: FloatArray) -> BoolArray:
        """Whether points (..., 3) ct_lps lie in the canal, linear between voxels."""
        return _linear(self.canal, self.grid, points)

    def depth(self, points: FloatArray) -> FloatArray:
        """(...,) mm of bone around points, negative outside."""
        away, _ = self.surface.query(points)
        return np.where(self.inside(points), away, -away)

    def canal_depth_mm(self, vertebra: Vertebra) -> float:
        """From front to back of the canal's middle, the median over the heights at which bone encloses it."""
        points = vertebra.ct_lps_from_vertebra.inverse().apply(self.grid.points(np.argwhere(self.canal)))
        points = points[np.abs(points[:, 0]) < CANAL_MIDDLE_MM + vertebra.voxel_mm[0] / 2]
        rows = np.round(points[:, 2] / max(vertebra.voxel_mm[2], 1.0)).astype(int)
        depths = [float(np.ptp(points[rows == row, 1])) + vertebra.voxel_mm[1] for row in np.unique(rows)]
        enclosed = [d for d in depths if CANAL_DEPTH_MM[0] < d < CANAL_DEPTH_MM[1]]
        return float(np.median(enclosed)) if enclosed else USUAL_CANAL_DEPTH_MM


def _linear(mask: BoolArray, grid: Grid, points: FloatArray) -> BoolArray:
    value = map_coordinates(mask.astype(np.float32), grid.indices(points).reshape(-1, 3).T, order=1, mode="constant")
    return np.asarray(value.reshape(points.shape[:-1]) > 0.5)


def _canal_voxels(mask: BoolArray, grid: Grid) -> BoolArray:
    """The largest hollow that has bone to the left and right, in front and behind."""
    hollow = ~mask
    for way in (0, 1):
        axis = 2 - int(np.abs(grid.direction[way]).argmax())
        for turned in (mask, np.flip(mask, axis)):
            seen = np.maximum.accumulate(turned, axis=axis)
            hollow &= seen if turned is mask else np.flip(seen, axis)
    parts, count = label(hollow)
    return np.asarray(parts == 1 + np.bincount(parts[parts > 0] - 1).argmax()) if count else hollow


@attrs.frozen
class Checked:
    """A straight path measured on the raw mask.

    Args:
        clearance_mm: over the pedicle. in_canal: points of the cannula's surface that lie in the canal.
        tip_mm: bone around the tip, beyond the cannula's radius; tip_in_front: whether it lies in the body's front half.
        own_half: whether the tip keeps to its side of the midline.
    """

    clearance_mm: float
    in_canal: int
    tip_mm: float
    tip_in_front: bool
    own_half: bool

    @property
    def good(self) -> bool:
        """A path one would drill: 1 mm of pedicle, out of the canal, its tip in bone, in front, on its own side."""
        wall = self.clearance_mm >= WANTED_MM and self.in_canal == 0
        return wall and self.tip_mm >= TIP_MM and self.tip_in_front and self.own_half


NO_LINE = Checked(float("-inf"), 0, float("-inf"), False, False)


def check(bone: RawBone, vertebra: Vertebra, side: Side, entry: FloatArray, tip: FloatArray) -> Checked:
    """Measure a cannula of ``DIAMETER_MM`` from entry to tip (ct_lps) on the raw mask."""
    medial = vertebra.ct_lps_from_vertebra.rotation[:, 0] * (-1.0 if side is Side.LEFT else 1.0)
    length = float(np.linalg.norm(tip - entry))
    ahead = (tip - entry) / length
    line = entry + np.arange(0, length, STEP_MM)[:, None] * ahead
    end = vertebra.ct_lps_from_vertebra.inverse().apply(tip)
    body = vertebra.body.grid.points(np.argwhere(vertebra.body.values < 0))
    tip_mm = float(bone.depth(tip[None])[0]) - DIAMETER_MM / 2
    placed = (bool(end[1] < body[:, 1].mean()), bool(end[0] * (1 if side is Side.LEFT else -1) > 0))
    across = np.cross(ahead, medial)
    across /= np.linalg.norm(across)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = DIAMETER_MM / 2 * (np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * np.cross(ahead, across))
    shell = (line[::2, None] + ring).reshape(-1, 3)
    return Checked(clearance_mm(bone, vertebra, side, line), int(bone.in_canal(shell).sum()), tip_mm, *placed)


def clearance_mm(bone: RawBone, vertebra: Vertebra, side: Side, line: FloatArray) -> float:
    """Bone between the cannula and the nearest wall over the pedicle; minus infinity for a line without a canal beside it.

    Args:
        line: (n, 3) ct_lps points of the axis, ``STEP_MM`` apart, from behind forwards.
    """
    axes = vertebra.ct_lps_from_vertebra.rotation
    beside = canal_beside(bone, line, axes[:, 0] * (-1.0 if side is Side.LEFT else 1.0))
    # the longest run: a notch in the body's wall must not pass for the canal
    runs, count = label(binary_closing(np.pad(beside, 8), iterations=4)[8:-8])
    if count == 0:
        return float("-inf")
    longest = np.flatnonzero(runs == 1 + np.bincount(runs[runs > 0] - 1).argmax())
    behind = (line - line[longest.max()]) @ axes[:, 1]
    pedicle = line[(behind >= 0) & (behind <= bone.canal_depth_mm(vertebra) / 2)]
    return float(bone.depth(pedicle).min()) - DIAMETER_MM / 2


def canal_beside(bone: RawBone, points: FloatArray, medial: FloatArray) -> BoolArray:
    """(n,) whether from points (n, 3) towards the midline bone ends, a gap as wide as a canal follows, and bone begins again."""
    inside = bone.inside(points[:, None] + np.arange(0, LOOK_MM, LOOK_STEP_MM)[:, None] * medial)
    first = (~inside).argmax(axis=1)
    beyond = np.arange(inside.shape[1]) > first[:, None]
    again = np.where((inside & beyond).any(axis=1), (inside & beyond).argmax(axis=1), -1)
    return np.asarray(inside[:, 0] & (first > 0) & ((again - first) * LOOK_STEP_MM >= CANAL_LEAST_MM))
