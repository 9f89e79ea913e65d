"""The made-up patient as Hounsfield units and labels, and as a DICOM series."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import scipy.ndimage as ndi

from hardware_sim.patient import surfaces
from hardware_sim.patient.anatomy import PatientSpec, VertebraShape, shapes
from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray, LabelArray

SACRUM_ID = 26
MARGIN_MM = (75.0, 95.0, 50.0)
REACH_MM = np.array([[-75.0, -30.0, -52.0], [75.0, 72.0, 40.0]])


@attrs.frozen(eq=False)
class SyntheticPatient:
    """A CT with what is true of it.

    Args:
        hu: (nk, nj, ni) int16. labels: VerSe ids. intact_labels: of the same anatomy before it broke.
        deficit_ml: body volume that the fracture took, by level; truth for tests, never read by planning.
        centres_lps_mm: of each body.
    """

    spec: PatientSpec
    grid: Grid
    hu: np.ndarray
    labels: LabelArray
    intact_labels: LabelArray
    deficit_ml: dict[VertebraLevel, float]
    centres_lps_mm: dict[VertebraLevel, FloatArray]

    def write_dicom(self, folder: Path) -> None:
        """One CT series, slice by slice; the same patient gives the same bytes."""
        from hardware_sim.patient.dicom import write_series

        write_series(self.hu, self.grid, self.spec.seed, folder)


def generate(spec: PatientSpec) -> SyntheticPatient:
    """Make a patient up; the same specification gives the same volume."""
    rng = np.random.default_rng([spec.seed, 1])
    spine = shapes(spec)
    grid = _grid(spine, spec)
    soft = _soft_tissue(grid, spine, rng)
    labels, intact = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    bone = np.full(grid.shape, 20.0, np.float32)
    deficits: dict[VertebraLevel, float] = {}
    for shape in spine:
        broken = spec.fracture if spec.fracture is not None and spec.fracture.level == shape.level.value else None
        box, points = _around(grid, shape)
        whole = np.minimum(surfaces.body(points, shape, None), 99)
        body_now = surfaces.body(points, shape, broken)
        behind = surfaces.arch(points, shape)
        free = surfaces.canal(points, shape)
        now = np.maximum(surfaces.smooth_union(body_now, behind), -free)
        before = np.maximum(surfaces.smooth_union(whole, behind), -free)
        _claim(labels[box], bone[box], now, shape.level.verse_id)
        _claim(intact[box], None, before, shape.level.verse_id)
        deficits[shape.level] = (
            float((np.maximum(whole, -free) < 0).sum() - (np.maximum(body_now, -free) < 0).sum()) * grid.voxel_ml
        )
        _between(soft[box], points, shape, free)
        if broken is not None and broken.cleft:
            cleft = (points[..., 0] / 11) ** 2 + ((points[..., 1] + 5) / 8) ** 2 + ((points[..., 2] + 2) / 1.8) ** 2 < 1
            soft[box][cleft] = -400
            bone[box][cleft] = np.maximum(bone[box][cleft], 3.0)
        if not shape.level.is_lumbar:
            ribs = surfaces.rib(points, shape)
            bone[box] = np.minimum(bone[box], np.where(ribs < np.maximum(now - 1.5, -99), ribs, 20))
    _sacrum(grid, spine[-1], labels, intact, bone)
    hu = _hounsfield(soft, bone, spec, rng)
    centres = {s.level: s.centre for s in spine}
    return SyntheticPatient(spec, grid, hu, labels, intact, deficits, centres)


def _grid(spine: list[VertebraShape], spec: PatientSpec) -> Grid:
    centres = np.array([s.centre for s in spine])
    low, high = centres.min(axis=0) - MARGIN_MM, centres.max(axis=0) + np.array([75.0, 100.0, 32.0])
    size = np.ceil((high - low) / spec.spacing_mm).astype(int)
    return Grid(size[::-1], spec.spacing_mm, low)


def _around(grid: Grid, shape: VertebraShape) -> tuple[tuple[slice, slice, slice], FloatArray]:
    """The part of the grid near a vertebra, and its points in the vertebra's frame."""
    corners = np.array(np.meshgrid(*REACH_MM.T, indexing="ij")).reshape(3, -1).T @ shape.axes.T + shape.centre
    index = grid.indices(corners)
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, grid.shape)
    box = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2])))
    return box, (grid.crop(box).all_points() - shape.centre) @ shape.axes


def _claim(labels: LabelArray, bone: np.ndarray | None, distance: FloatArray, number: int) -> None:
    """Voxels inside a vertebra take its label unless another was first; joints keep half a millimetre of gap."""
    free = (labels == 0) & (distance < 0)
    labels[free] = number
    if bone is not None:
        np.minimum(bone, distance, out=bone)


def _between(soft: np.ndarray, points: FloatArray, shape: VertebraShape, canal: FloatArray) -> None:
    """Disc below, canal with cord in fat."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    column = (x / (shape.width / 2)) ** 2 + (y / (shape.depth / 2)) ** 2 < 1
    soft[column & (z < 0) & (z > -shape.posterior - shape.disc_below)] = 85
    soft[canal < 0] = -20
    soft[canal < -2.5] = 35


def _soft_tissue(grid: Grid, spine: list[VertebraShape], rng: np.random.Generator) -> np.ndarray:
    """Skin, fat, muscles, abdomen or lungs, aorta, a table of air behind."""
    z = grid.all_points()[..., 2][:, 0, 0]
    centres = np.array([s.centre for s in spine])[::-1]
    line = np.column_stack([np.interp(z, centres[:, 2], centres[:, axis]) for axis in (0, 1)])
    points = grid.all_points()
    left = (points[..., 0] - line[:, None, None, 0]).astype(np.float32)
    back = (points[..., 1] - line[:, None, None, 1]).astype(np.float32)
    soft = np.full(grid.shape, -95.0, np.float32)
    back_muscle = (np.abs(left) < 58) & (back > 14) & (back < 62 - 0.004 * left**2)
    soft[back_muscle & ~((np.abs(left) < 4) & (back > 45))] = 55
    psoas = ((np.abs(left) - 36) / 15) ** 2 + ((back - 2) / 20) ** 2 < 1
    soft[psoas] = 58
    chest = points[..., 2] > spine[3].centre[2]
    soft[chest & (np.abs(left) > 26) & (back < 24) & (back > -200)] = -840
    belly = ~chest & (back < -24)
    lumps = ndi.zoom(rng.normal(0, 1, (8, 8, 8)), np.array(grid.shape) / 8, order=1)
    soft[belly] = np.where(lumps[belly] > 0.15, 45, -100)
    soft[belly & (lumps > 1.25)] = -850
    aorta = (left - 12) ** 2 + (back + 33) ** 2 < 10.5**2
    soft[aorta] = 140
    soft[back > 84 - 0.002 * left**2] = -1000
    return soft


def _sacrum(grid: Grid, last: VertebraShape, labels: LabelArray, intact: LabelArray, bone: np.ndarray) -> None:
    """A tilted block with wings under L5."""
    points = (grid.all_points() - last.centre) @ last.axes
    lower = points - np.array([0.0, 4.0, -last.posterior / 2 - last.disc_below])
    turn = np.radians(18)
    y = lower[..., 1] * np.cos(turn) + lower[..., 2] * np.sin(turn)
    z = -lower[..., 1] * np.sin(turn) + lower[..., 2] * np.cos(turn)
    taper = np.clip(1 + z / 140, 0.4, 1)
    block = np.maximum(np.abs(lower[..., 0]) / taper - 46, np.maximum(np.abs(y) - 13 * taper, z))
    block = np.maximum(block, 7.0 - np.hypot(lower[..., 0] * 0.7, y - 14))
    free = (block < 0) & (labels == 0)
    labels[free] = SACRUM_ID
    intact[free] = SACRUM_ID
    np.minimum(bone, block, out=bone)


def _hounsfield(soft: np.ndarray, bone: np.ndarray, spec: PatientSpec, rng: np.random.Generator) -> np.ndarray:
    """Cortex over textured spongiosa in soft tissue, blurred by the scanner, with noise."""
    trabeculae = ndi.gaussian_filter(rng.normal(0, 1, bone.shape).astype(np.float32), 1.0) * 3.0
    marrow = spec.marrow_hu + 24 * trabeculae
    cortex = 620.0
    shell = 1 / (1 + np.exp(-np.clip((bone + 1.0) / 0.35, -30, 30)))
    inside = 1 / (1 + np.exp(np.clip(bone / 0.3, -30, 30)))
    hu = soft + inside * (marrow + shell * (cortex - marrow) - soft)
    hu = ndi.gaussian_filter(hu.astype(np.float32), 0.55 / np.array(spec.spacing_mm[::-1]))
    noise = ndi.gaussian_filter(rng.normal(0, 1, hu.shape).astype(np.float32), 0.6)
    hu += spec.noise_hu * noise / max(float(noise.std()), 1e-6)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
