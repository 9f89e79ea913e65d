"""Needle paths on every complete vertebra T9–L5 of the shared masks.

    python -m benchmarks.trajectory [--patients verse012,verse005,…] [--all-levels]

A path's clearance is not taken from the planner: it is measured again on the raw label map, by the distance from the needle's
axis to a triangle surface through the mask's own voxels (no smoothing, no distance field). The pedicle is found there without
the planner's posterior wall or canal: the stretch of the path from where the canal begins to lie beside it to half way back.
The baseline runs straight along the measured pedicle axis through its centre.

Must reach: both transpedicular paths grade A with at least 1 mm of clearance for a 3.2 mm cannula wherever the pedicle is at
least 6 mm wide; no point of any cannula's surface in the canal.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import trimesh
from rich.console import Console
from rich.table import Table
from scipy.ndimage import label, map_coordinates
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from planning_core.anatomy.label_file import LabelFileSegmenter, from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Pedicle, Side, Vertebra
from planning_core.geometry import Grid
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.plan import BreachGrade, PathKind, Trajectory
from planning_core.trajectory.planner import NoSafePathError, plan_trajectories
from tests.data import HEALTHY_MASK, SHARED, THORACIC_MASK, TOTALSEG_MASK, VERSE005_MASK, VERSE012_MASK

PATIENTS = {
    "verse012": VERSE012_MASK,
    "verse005": VERSE005_MASK,
    "healthy_reference": HEALTHY_MASK,
    "thoracic_ct": THORACIC_MASK,
    "totalseg_ct": TOTALSEG_MASK,
    "lumbar_phantom": "lumbar_phantom",
}
DIAMETER_MM = 3.2
WIDE_ENOUGH_MM = 6.0
WANTED_MM = 1.0
FIRST, LAST = VertebraLevel.T9.ordinal, VertebraLevel.L5.ordinal
STEP_MM = 0.25
PHANTOM = [VertebraLevel(f"L{n}") for n in range(1, 6)]
CANAL_LEAST_MM = 8.0
TIP_MM = 1.0


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
    axes = vertebra.ct_lps_from_vertebra.rotation
    medial = axes[:, 0] * (-1.0 if side is Side.LEFT else 1.0)
    length = float(np.linalg.norm(tip - entry))
    ahead = (tip - entry) / length
    line = entry + np.arange(0, length, STEP_MM)[:, None] * ahead
    beside = np.flatnonzero([_canal_beside(bone, p, medial) for p in line])
    end = vertebra.ct_lps_from_vertebra.inverse().apply(tip)
    body = vertebra.body.grid.points(np.argwhere(vertebra.body.values < 0))
    tip_mm = float(bone.depth(tip[None])[0]) - DIAMETER_MM / 2
    placed = (bool(end[1] < body[:, 1].mean()), bool(end[0] * (1 if side is Side.LEFT else -1) > 0))
    if len(beside) == 0:
        return Checked(float("-inf"), 0, tip_mm, *placed)
    front, back = beside.max(), beside.min()
    pedicle = line[(front + back) // 2 : front + 1]
    clearance = float(bone.depth(pedicle).min()) - DIAMETER_MM / 2
    across = np.cross(ahead, medial)
    across /= np.linalg.norm(across)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = DIAMETER_MM / 2 * (np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * np.cross(ahead, across))
    shell = (line[::2, None] + ring).reshape(-1, 3)
    return Checked(clearance, int(bone.in_canal(shell).sum()), tip_mm, *placed)


def _canal_beside(bone: RawBone, point: FloatArray, medial: FloatArray) -> bool:
    """Whether towards the midline bone ends, a gap as wide as a canal follows, and bone begins again."""
    inside = bone.inside(point + np.arange(0, 60, 0.5)[:, None] * medial)
    if not inside[0] or inside.all():
        return False
    gap = inside[int((~inside).argmax()) :]
    return bool(gap.any()) and gap.argmax() * 0.5 >= CANAL_LEAST_MM


def baseline(vertebra: Vertebra, pedicle: Pedicle) -> tuple[FloatArray, FloatArray]:
    """Entry and tip of the line along the pedicle's axis through its centre, from bone's surface to the body's front third."""
    inverse = vertebra.ct_lps_from_vertebra.inverse()
    centre, axis = inverse.apply(pedicle.centre_lps_mm), inverse.rotate(pedicle.axis_lps)
    back = centre - np.arange(0, 45, STEP_MM)[:, None] * axis
    outside = vertebra.whole.at(back) > 0
    entry = back[int(outside.argmax()) if outside.any() else -1]
    columns = vertebra.body.grid.points(np.argwhere(vertebra.body.values < 0))[:, 1]
    front = float(np.percentile(columns, 2))
    depth = front + (float(columns.max()) - front) / 4
    tip = centre + max((depth - centre[1]) / min(axis[1], -0.1), 10.0) * axis
    return vertebra.ct_lps_from_vertebra.apply(entry), vertebra.ct_lps_from_vertebra.apply(tip)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 when what must be reached is not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--patients", default=",".join(PATIENTS))
    parser.add_argument("--all-levels", action="store_true", help="T1–T8 as well, where pedicles are narrow")
    given = parser.parse_args(argv)
    config = TrajectoryConfig(cannulas=("11G working",))
    table = Table(
        "patient", "level", "side", "width", "clearance", "−½ voxel", "grade", "checked", "baseline", "canal", "P(breach)", "s"
    )
    missed: list[str] = []
    pairs: list[tuple[Checked, Checked]] = []
    wide: list[Checked] = []
    slowest = 0.0
    for patient in given.patients.split(","):
        path = SHARED / PATIENTS[patient]
        if not path.exists():
            print(f"{patient}: no data at {path}")
            return 2
        segmentation = _phantom(path) if path.is_dir() else LabelFileSegmenter(path).read()
        spine = model_spine(segmentation, None)
        for level in spine.levels:
            if not given.all_levels and not FIRST <= level.ordinal <= LAST:
                continue
            vertebra, bone = spine.vertebrae[level], RawBone.of(segmentation, level)
            began = time.process_time()
            try:
                plan = plan_trajectories(spine, level, None, None, config)
                paths, refused = plan.paths, plan.refused
            except NoSafePathError as error:
                paths, refused = (), tuple(error.data["refused"])
            seconds = time.process_time() - began
            slowest = max(slowest, seconds)
            for side in Side:
                place = f"{patient} {level.value} {side.value}"
                pedicle = vertebra.pedicles.get(side)
                width = pedicle.width_mm if pedicle else 0.0
                found = [p for p in paths if p.side is side and p.kind is PathKind.TRANSPEDICULAR]
                rows = [patient, level.value, side.value, f"{width:.1f}"]
                if not found:
                    why = next((r for r in refused if r.startswith(f"{side.value} {PathKind.TRANSPEDICULAR.value}")), "no path")
                    table.add_row(*rows, "refused", "", "", "", "", "", "", f"{seconds:.1f}")
                    if width >= WIDE_ENOUGH_MM:
                        missed.append(f"{place}: {why}")
                    continue
                ours_raw = check(bone, vertebra, side, found[0].entry_lps_mm, found[0].target_lps_mm)
                base = check(bone, vertebra, side, *baseline(vertebra, pedicle)) if pedicle else NO_LINE
                table.add_row(*rows, *_cells(found[0], ours_raw, base), f"{seconds:.1f}")
                pairs.append((ours_raw, base))
                wide += [ours_raw] if width >= WIDE_ENOUGH_MM else []
                missed.extend(f"{place}: {reason}" for reason in _misses(found[0], ours_raw, width, vertebra))
    Console(width=150).print(table)
    _summary("ours", [a for a, _ in pairs])
    _summary("baseline", [b for _, b in pairs])
    _summary("ours from 6 mm", wide)
    print(f"slowest level {slowest:.1f} s (all kinds, both sides, one core)")
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


def _phantom(folder: Path) -> SpineSegmentation:
    """The Visible Human's L1–L5 surfaces (x anterior, y left, z superior) as a label map of 1 mm voxels in LPS."""
    surfaces = {level: trimesh.load_mesh(folder / f"{level.value}_mm.stl") for level in PHANTOM}
    for surface in surfaces.values():
        surface.apply_transform(np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    low = np.min([s.bounds[0] for s in surfaces.values()], axis=0) - 5
    high = np.max([s.bounds[1] for s in surfaces.values()], axis=0) + 5
    grid = Grid(np.ceil(high - low).astype(int)[::-1], [1.0] * 3, low)
    labels = np.zeros(grid.shape, np.uint8)
    for level, surface in surfaces.items():
        filled = surface.voxelized(0.5).fill().points
        # two halves of a voxel each way: a voxel is bone when most of its eight are
        index = np.floor(grid.indices(filled) + 0.5).astype(int)
        share = np.zeros(grid.shape, np.uint8)
        np.add.at(share, tuple(index.T), 1)
        labels[share >= 4] = level.verse_id
    return from_labels(labels, grid)


def _summary(name: str, checked: list[Checked]) -> None:
    """One line over all pedicles."""
    bone = np.array([c.clearance_mm for c in checked])
    touched, good = np.mean([c.in_canal > 0 for c in checked]), np.mean([c.good for c in checked])
    print(
        f"{name:14s} checked clearance median {np.median(bone):5.2f} mm, least {bone.min():5.2f}; "
        f"≥ 1 mm {np.mean(bone >= WANTED_MM):4.0%}; canal touched {touched:4.0%}; good paths {good:4.0%} of {len(checked)}"
    )


def _cells(path: Trajectory, raw: Checked, base: Checked) -> list[str]:
    return [
        f"{path.clearance_mm:.2f}",
        f"{path.clearance_mm - path.resolution_mm:.2f}",
        path.grade.value,
        f"{raw.clearance_mm:.2f}" + ("" if raw.good else " ✗"),
        f"{base.clearance_mm:.2f}" + ("" if base.good else " ✗"),
        f"{path.canal_mm:.1f}" if raw.in_canal == 0 else f"[red]{raw.in_canal} in canal",
        f"{path.p_breach:.3f}",
    ]


def _misses(path: Trajectory, raw: Checked, width: float, vertebra: Vertebra) -> list[str]:
    """What falls short on one side."""
    found = []
    if width >= WIDE_ENOUGH_MM and (path.clearance_mm < WANTED_MM or path.grade is not BreachGrade.A):
        found.append(f"clearance {path.clearance_mm:.2f} mm in a pedicle of {width:.1f} mm, {WANTED_MM:g} needed")
    coarse = float(vertebra.voxel_mm.max()) / 2
    if not raw.clearance_mm >= min(path.clearance_mm, WANTED_MM) - coarse:
        found.append(
            f"the raw mask leaves {raw.clearance_mm:.2f} mm, the planner said {path.clearance_mm:.2f}; voxels {2 * coarse:.1f} mm"
        )
    if raw.in_canal:
        found.append(f"{raw.in_canal} points of the cannula lie in the canal")
    return found


if __name__ == "__main__":
    sys.exit(main())
