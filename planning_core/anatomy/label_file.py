"""Vertebrae from a label map made elsewhere: VerSe or TotalSegmentator ids, as an image file or DICOM SEG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from planning_core.anatomy.levels import UnknownLevelError, VertebraLevel
from planning_core.anatomy.segmentation import Numbering, PartialVertebra, SpineSegmentation
from planning_core.errors import AmbiguousError, InputError
from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.imaging.volume import CtVolume
from planning_core.imaging.volume_file import read_image_file

LEAST_ML = 3.0
MARGIN_MM = 6.0
FINE_MM = 1.0


class NotLabelsError(InputError):
    """A file that holds no vertebra labels. Carries ``values``."""

    code = "not_labels"


class LabelSchemeError(AmbiguousError):
    """Ids that could be VerSe's or TotalSegmentator's. Carries ``as_verse`` and ``as_totalsegmentator``."""

    code = "label_scheme"


class LabelGridError(InputError):
    """Labels that do not lie on the CT. Carries ``largest_mm`` (offset between the two at a corner)."""

    code = "label_grid"


@attrs.frozen
class LabelFileSegmenter:
    """A ``Segmenter`` that reads instead of looking.

    Args:
        path: label map; ids of VerSe (8–25, 28) or TotalSegmentator v2 (26–43).
        scheme: ``verse`` or ``totalsegmentator`` where the ids alone do not tell.
    """

    path: Path
    scheme: str | None = None

    def read(self, anchor: tuple[VertebraLevel, FloatArray] | None = None) -> SpineSegmentation:
        """The label map on its own grid; an anchor must agree with it.

        Raises:
            NotLabelsError, LabelSchemeError: see there. InputError: the file cannot be read.
            UnknownLevelError: the anchor lies in another level.
        """
        array, grid = read_image_file(self.path)
        segmentation = from_labels(array, grid, self.scheme)
        if anchor is not None:
            _agree(segmentation, *anchor)
        return segmentation

    def segment(self, ct: CtVolume, anchor: tuple[VertebraLevel, FloatArray] | None = None) -> SpineSegmentation:
        """The label map, after checking that it lies on the CT; an anchor must agree with it.

        Raises:
            LabelGridError: the grids differ. UnknownLevelError: the anchor lies in another level.
        """
        segmentation = self.read()
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in ct.grid.shape], indexing="ij")).reshape(3, -1).T
        same = segmentation.grid.shape == ct.grid.shape
        apart = float(np.abs(segmentation.grid.points(corners) - ct.grid.points(corners)).max()) if same else float("inf")
        if apart > 0.5 * float(ct.grid.spacing_mm.min()):
            raise LabelGridError(
                f"labels of size {segmentation.grid.shape} do not lie on the CT of size {ct.grid.shape} "
                f"(corners up to {apart:.1f} mm apart)",
                largest_mm=apart if np.isfinite(apart) else None,
            )
        if anchor is not None:
            _agree(segmentation, *anchor)
        return segmentation


def _agree(segmentation: SpineSegmentation, level: VertebraLevel, point: FloatArray) -> None:
    index = np.round(segmentation.grid.indices(point)).astype(int)
    inside = bool(((index >= 0) & (index < segmentation.grid.shape)).all())
    found = int(segmentation.labels[tuple(index)]) if inside else 0
    if found not in (0, level.verse_id):
        name = VertebraLevel.from_verse_id(found).value
        raise UnknownLevelError(f"the point lies in {name} of the label file, not in {level.value}", given=level.value)


def from_labels(array: NDArray[Any], grid: Grid, scheme: str | None = None) -> SpineSegmentation:
    """A segmentation from any integer label map on a ct_lps grid."""
    values = np.unique(array)
    if not np.array_equal(values, np.round(values)) or values.min() < 0 or len(values) < 2 or len(values) > 500:
        raise NotLabelsError(
            f"{len(values)} different values from {values.min():g} to {values.max():g} are no labels", values=len(values)
        )
    names = _names([int(v) for v in values if v > 0], scheme)
    labels = np.zeros(array.shape, np.uint8)
    boundaries: dict[VertebraLevel, DistanceField] = {}
    partial: list[PartialVertebra] = []
    boxes = ndi.find_objects(array.astype(np.int32))
    for number, level in names.items():
        box = boxes[number - 1]
        mask = _one_piece(array[box] == number)
        labels[box][mask] = level.verse_id
        volume = float(mask.sum()) * grid.voxel_ml
        region = grid.crop(box)
        if is_cut(mask, box, array.shape, grid) or volume < LEAST_ML:
            reason = "cut by the field of view" if volume >= LEAST_ML else f"only {volume:.1f} ml"
            partial.append(PartialVertebra(level, region.points(np.argwhere(mask).mean(axis=0)), reason))
        else:
            boundaries[level] = boundary_of(mask, region)
    return SpineSegmentation(labels, grid, boundaries, tuple(partial), Numbering(1.0, "labels"), "label file")


def boundary_of(mask: BoolArray, grid: Grid) -> DistanceField:
    """Signed distance of a mask's surface, on its grid widened by a margin."""
    pad = [int(np.ceil(MARGIN_MM / h)) for h in grid.spacing_mm[::-1]]
    wide = np.pad(mask, [(p, p) for p in pad])
    around = attrs.evolve(grid, shape=wide.shape, origin_mm=grid.points([-p for p in pad]))
    field = DistanceField.from_mask(wide, around)
    if grid.spacing_mm.max() <= FINE_MM:
        return field
    # between thick slices the surface is interpolated by distance (Raya and Udupa 1990); interpolation must not add bone
    fine = around.resampled(FINE_MM)
    values = field.at(fine.all_points())
    inside = round(float(mask.sum()) * grid.voxel_ml / fine.voxel_ml)
    return DistanceField(values - np.partition(values, inside, axis=None)[inside], fine)


def is_cut(mask: BoolArray, box: tuple[slice, ...], shape: tuple[int, ...], grid: Grid) -> bool:
    """Whether the field of view's head or foot end cuts more than the tip of a process off."""
    axis = int(np.abs(grid.direction[2]).argmax())
    along = 2 - axis
    area = float(np.prod(grid.spacing_mm)) / float(grid.spacing_mm[axis])
    ends = ((box[along].start == 0, 0), (box[along].stop == shape[along], -1))
    return any(touches and float(np.take(mask, end, axis=along).sum()) * area > 60.0 for touches, end in ends)


def _one_piece(mask: BoolArray) -> BoolArray:
    parts, count = ndi.label(mask, np.ones((3, 3, 3)))
    return mask if count < 2 else parts == 1 + np.bincount(parts[parts > 0] - 1).argmax()


def _names(ids: list[int], scheme: str | None) -> dict[int, VertebraLevel]:
    """Which label is which level. TotalSegmentator counts from the foot (26 = S1), VerSe from the head."""
    verse = {n: VertebraLevel.from_verse_id(n) for n in ids if 8 <= n <= 25 or n == 28}
    total = {n: VertebraLevel.from_totalsegmentator_id(n) for n in ids if 27 <= n <= 43}
    if scheme == "verse" or (scheme is None and verse and not [n for n in total if n != 28]):
        chosen = verse
    elif scheme == "totalsegmentator" or (scheme is None and total and not verse):
        chosen = total
    elif total and max(ids) > 30:
        chosen = total  # VerSe ends at 28; ids 8–25 are then TotalSegmentator's organs
    elif verse or total:
        raise LabelSchemeError(
            f"labels {ids} fit VerSe and TotalSegmentator: say which with --label-scheme",
            as_verse=[v.value for v in verse.values()],
            as_totalsegmentator=[v.value for v in total.values()],
        )
    else:
        chosen = {}
    if not chosen:
        raise NotLabelsError(f"labels {ids[:20]} hold no vertebra from T1 to L6", values=ids[:50])
    return chosen
