"""Vertebrae from a label map made elsewhere: VerSe or TotalSegmentator ids as an image file, or a DICOM SEG."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from planning_core.anatomy.label_scheme import LabelledPiece, NotLabelsError, chain_fault, name_labels
from planning_core.anatomy.levels import UnknownLevelError, VertebraLevel
from planning_core.anatomy.segmentation import NoVertebraThereError, Numbering, PartialVertebra, SpineSegmentation
from planning_core.errors import InputError
from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.geometry.lattice import TOLERANCE, laid_onto, misfit
from planning_core.imaging.volume import CtVolume
from planning_core.imaging.volume_file import is_volume_file, read_image_file

LEAST_ML = 3.0
MARGIN_MM = 6.0
FINE_MM, FINEST_MM = 1.0, 0.7
CUT_END_MM2 = 60.0
"""Bone in the image's first or last slice above which a vertebra is cut: more than the tip of a process."""
CUT_SIDE_MM2 = 250.0
"""Bone in a side face above which a vertebra is cut: a process may leave the image there, a body or pedicle may not."""
LOOSE_ML = 0.05
MOST_LOOSE = 0.15
LARGEST_ID = 65_535


class LabelGridError(InputError):
    """Labels that do not lie on the CT. Carries ``misfit_voxels`` (``None``: turned against it) and ``outside_ml``."""

    code = "label_grid"


class BrokenLabelError(InputError):
    """A label in several large pieces, as if two vertebrae had one name. Carries ``level``, ``largest_ml`` and ``loose_ml``."""

    code = "broken_label"


@attrs.frozen
class LabelFileSegmenter:
    """A ``Segmenter`` that reads instead of looking.

    Args:
        path: label map with ids of VerSe (8–25, 28) or TotalSegmentator v2 (27–43), or a DICOM SEG whose segments are named.
        scheme: ``verse`` or ``totalsegmentator`` where the ids alone do not tell.
    """

    path: Path
    scheme: str | None = None

    def read(self, anchor: tuple[VertebraLevel, FloatArray] | None = None) -> SpineSegmentation:
        """The label map on its own grid; an anchor must agree with it.

        Raises:
            NotLabelsError, LabelSchemeError, BrokenLabelError: see there. InputError: the file cannot be read.
            UnknownLevelError: the anchor lies in another level. NoVertebraThereError: it lies in none.
        """
        return _agreeing(self._on(None), anchor)

    def segment(self, ct: CtVolume, anchor: tuple[VertebraLevel, FloatArray] | None = None) -> SpineSegmentation:
        """The label map on the CT's grid; an anchor must agree with it.

        Labels may be cropped, turned or flipped against the CT as long as voxel lies on voxel.

        Raises:
            LabelGridError: the voxels do not coincide, or some labels lie beyond the CT. Others as ``read``.
        """
        return _agreeing(self._on(ct.grid), anchor)

    def _on(self, onto: Grid | None) -> SpineSegmentation:
        names: Mapping[int, VertebraLevel] | None = None
        if is_volume_file(self.path):
            array, grid = read_image_file(self.path)
        else:
            from planning_core.anatomy.label_seg import read_label_seg

            array, grid, names = read_label_seg(self.path)
        if onto is not None:
            array, grid = _laid(array, grid, onto), onto
        return from_labels(array, grid, self.scheme, names)


def _laid(array: NDArray[Any], grid: Grid, onto: Grid) -> NDArray[Any]:
    apart = misfit(grid, onto)
    if apart > TOLERANCE:
        size = "turned against it" if np.isinf(apart) else f"{apart:.2f} voxels off"
        raise LabelGridError(
            f"labels of size {grid.shape} do not lie on the voxels of the CT of size {onto.shape} ({size})",
            misfit_voxels=None if np.isinf(apart) else apart,
            outside_ml=None,
        )
    laid = laid_onto(array, grid, onto)
    outside = (np.count_nonzero(array) - np.count_nonzero(laid)) * grid.voxel_ml
    if outside > 0:
        raise LabelGridError(f"{outside:.1f} ml of the labels lie outside the CT", misfit_voxels=apart, outside_ml=outside)
    return laid


def _agreeing(segmentation: SpineSegmentation, anchor: tuple[VertebraLevel, FloatArray] | None) -> SpineSegmentation:
    if anchor is not None:
        level, point = anchor
        index = np.round(segmentation.grid.indices(point)).astype(int)
        inside = bool(((index >= 0) & (index < segmentation.grid.shape)).all())
        found = int(segmentation.labels[tuple(index)]) if inside else 0
        if found == 0:
            raise _beside(segmentation, level, point)
        if found != level.verse_id:
            name = VertebraLevel.from_verse_id(found).value
            raise UnknownLevelError(f"the point lies in {name} of the label file, not in {level.value}", given=level.value)
    return segmentation


def _beside(segmentation: SpineSegmentation, level: VertebraLevel, point: FloatArray) -> NoVertebraThereError:
    """A point in no label is nobody's word on the numbering: how far off it is from the vertebra named, or from any."""
    labels = segmentation.labels
    named = bool((labels == level.verse_id).any())
    voxels = np.argwhere(labels == level.verse_id if named else labels)
    away = float(np.linalg.norm(segmentation.grid.points(voxels) - point, axis=1).min())
    which = level.value if named else "the nearest vertebra"
    return NoVertebraThereError(
        f"no vertebra of the label file at {np.round(point, 1).tolist()}: {which} is {away:.0f} mm away",
        point_mm=[float(c) for c in point],
        nearest_mm=away,
    )


def from_labels(
    array: NDArray[Any], grid: Grid, scheme: str | None = None, names: Mapping[int, VertebraLevel] | None = None
) -> SpineSegmentation:
    """A segmentation from any integer label map on a ct_lps grid.

    Args:
        array: (nk, nj, ni), 0 where no label is. scheme: see ``name_labels``. names: what each label is, where the file says so.

    Raises:
        NotLabelsError, LabelSchemeError, BrokenLabelError: see there.
    """
    values = np.unique(array)
    whole = np.isfinite(values).all() and np.array_equal(values, np.round(values))
    if not whole or values.min() < 0 or values.max() > LARGEST_ID or len(values) < 2 or len(values) > 500:
        raise NotLabelsError(
            f"{len(values)} different values from {values.min():g} to {values.max():g} are no labels", values=len(values), why={}
        )
    array = array.astype(np.uint16)
    boxes = {number: box for number, box in enumerate(ndi.find_objects(array), start=1) if box is not None}
    pieces = {number: _piece(array[box] == number, box, array.shape, grid) for number, box in boxes.items()}
    if names is None:
        names = name_labels(pieces, scheme)
    elif fault := chain_fault(names, pieces):
        raise NotLabelsError(f"the segments are no spine: {fault}", values=sorted(pieces), why={"names": fault})
    labels = np.zeros(array.shape, np.uint8)
    complete: dict[VertebraLevel, tuple[BoolArray, Grid]] = {}
    partial: list[PartialVertebra] = []
    notes: list[str] = []
    for number, level in names.items():
        box = boxes[number]
        mask, loose_ml = _one_piece(array[box] == number, level, grid)
        if loose_ml > LOOSE_ML:
            notes.append(f"{level.value}: {loose_ml:.2f} ml of its label in loose pieces were left out")
        labels[box][mask] = level.verse_id
        piece, region = pieces[number], grid.crop(box)
        if not piece.whole or piece.volume_ml < LEAST_ML:
            reason = "cut by the field of view" if piece.volume_ml >= LEAST_ML else f"only {piece.volume_ml:.1f} ml"
            partial.append(PartialVertebra(level, region.points(np.argwhere(mask).mean(axis=0)), reason))
        else:
            complete[level] = (mask, region)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # array work that lets go of the interpreter
        boundaries = dict(zip(complete, pool.map(lambda one: boundary_of(*one), complete.values()), strict=True))
    numbering = Numbering(1.0, "labels")
    return SpineSegmentation(labels, grid, boundaries, tuple(partial), numbering, "label file", tuple(notes))


def boundary_of(mask: BoolArray, grid: Grid) -> DistanceField:
    """Signed distance of a mask's surface, on its grid (or a coarser one under a millimetre) widened by a margin."""
    volume_ml = float(mask.sum()) * grid.voxel_ml
    mask, grid = _thinned(mask, grid)
    pad = [int(np.ceil(MARGIN_MM / h)) for h in grid.spacing_mm[::-1]]
    wide = np.pad(mask, [(p, p) for p in pad])
    around = attrs.evolve(grid, shape=wide.shape, origin_mm=grid.points([-p for p in pad]))
    field = DistanceField.from_mask(wide, around)
    if grid.spacing_mm.max() <= FINE_MM:
        return field
    # between thick slices the surface is interpolated by distance (Raya and Udupa 1990); interpolation must not add bone
    fine = around.resampled(FINE_MM)
    values = field.on(fine).values
    inside = round(volume_ml / fine.voxel_ml)
    return DistanceField(values - np.partition(values, inside, axis=None)[inside], fine)


def _thinned(mask: BoolArray, grid: Grid) -> tuple[BoolArray, Grid]:
    """Blocks of very fine voxels as one, bone where most of them are: distances over a third of a millimetre cost much."""
    block = np.maximum(1, FINEST_MM // grid.spacing_mm[::-1]).astype(int)
    if (block == 1).all():
        return mask, grid
    padded = np.pad(mask, [(0, int(-n % b)) for n, b in zip(mask.shape, block, strict=True)])
    count = np.array(padded.shape) // block
    split = padded.reshape(count[0], block[0], count[1], block[1], count[2], block[2])
    coarse = Grid(count, grid.spacing_mm * block[::-1], grid.points((block - 1) / 2), grid.direction, grid.frame)
    return split.mean(axis=(1, 3, 5)) >= 0.5, coarse


def is_cut(mask: BoolArray, box: tuple[slice, ...], shape: tuple[int, ...], grid: Grid) -> bool:
    """Whether a border of the image cuts more off than the tip of a process.

    Args:
        mask: one label within ``box`` of an array of ``shape`` on ``grid``.
    """
    ends = 2 - int(np.abs(grid.direction[2]).argmax())  # the array axis that runs along the patient
    for axis in range(3):
        area = 1000 * grid.voxel_ml / float(grid.spacing_mm[2 - axis])
        limit = CUT_END_MM2 if axis == ends else CUT_SIDE_MM2
        for touches, face in ((box[axis].start == 0, 0), (box[axis].stop == shape[axis], -1)):
            if touches and float(np.take(mask, face, axis=axis).sum()) * area > limit:
                return True
    return False


def _piece(mask: BoolArray, box: tuple[slice, ...], shape: tuple[int, ...], grid: Grid) -> LabelledPiece:
    centre = grid.crop(box).points(np.argwhere(mask).mean(axis=0))  # type: ignore[arg-type]
    return LabelledPiece(centre, float(mask.sum()) * grid.voxel_ml, not is_cut(mask, box, shape, grid))


def _one_piece(mask: BoolArray, level: VertebraLevel, grid: Grid) -> tuple[BoolArray, float]:
    """The largest piece, and ml of what is loose."""
    parts, count = ndi.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask, 0.0
    sizes = np.bincount(parts[parts > 0] - 1) * grid.voxel_ml
    largest, loose = float(sizes.max()), float(sizes.sum() - sizes.max())
    if loose > MOST_LOOSE * largest and loose > LEAST_ML:
        raise BrokenLabelError(
            f"{level.value}'s label is in {count} pieces: {largest:.1f} ml and {loose:.1f} ml beside it",
            level=level.value,
            largest_ml=largest,
            loose_ml=loose,
        )
    return parts == 1 + int(sizes.argmax()), loose
