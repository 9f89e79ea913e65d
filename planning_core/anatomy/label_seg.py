"""Vertebra labels out of a DICOM SEG: its segments say by name or code what they are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from pydicom.sr.codedict import codes

from planning_core.anatomy.label_scheme import NotLabelsError
from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.geometry import Grid
from planning_core.geometry.arrays import LabelArray
from planning_core.imaging.dicom import DAMAGED
from planning_core.imaging.refusals import UnreadableFileError

SNOMED = {getattr(codes.SCT, f"{level.value}Vertebra").value: level for level in USUAL_LEVELS}
"""SNOMED CT codes of the vertebrae (DICOM PS3.16, CID 7603)."""
NAME = re.compile(r"(?:VERTEBRA[EL]?(?: BODY)? )?(TH|T|L) ?(\d{1,2})(?: VERTEBRA)?")


def read_label_seg(path: Path) -> tuple[LabelArray, Grid, dict[int, VertebraLevel]]:
    """The vertebrae of a binary or label-map DICOM SEG.

    Returns:
        (nk, nj, ni) uint8 VerSe ids, their grid in ct_lps, and what each id is.

    Raises:
        UnreadableFileError: no DICOM SEG, damaged, or its frames form no regular volume.
        NotLabelsError: no segment is a vertebra, two have the same name, or they overlap.
    """
    import highdicom as hd

    if not path.is_file():
        raise UnreadableFileError("the label file is not there", reason="not there")
    try:
        seg = hd.seg.segread(path)
        described = {int(item.SegmentNumber): item for item in seg.SegmentSequence}
    except DAMAGED as error:
        raise UnreadableFileError("the label file is no DICOM SEG and no volume file", reason=str(error)[:120]) from error
    named = {number: level for number, item in described.items() if (level := _level(item)) is not None}
    if not named:
        words = [str(item.SegmentLabel) for item in described.values()]
        raise NotLabelsError(f"no segment is a vertebra from T1 to L6: {words[:20]}", values=words[:50], why={})
    twice = {level.value for level in named.values() if list(named.values()).count(level) > 1}
    if twice:
        raise NotLabelsError(f"several segments are called {', '.join(sorted(twice))}", values=sorted(twice), why={})
    try:
        volume = seg.get_volume(segment_numbers=list(named), combine_segments=True, relabel=False)
    except DAMAGED as error:
        if "overlap" in str(error).lower():
            raise NotLabelsError("its segments overlap", values=sorted(named), why={}) from error
        raise UnreadableFileError("the label file's frames form no regular volume", reason=str(error)[:120]) from error
    ids = np.zeros(max(named) + 1, np.uint8)
    for number, level in named.items():
        ids[number] = level.verse_id
    steps = np.asarray(volume.affine)[:3, :3]  # columns: mm per step of k, j, i in DICOM's patient axes, which are LPS
    spacing = np.linalg.norm(steps, axis=0)
    grid = Grid(volume.array.shape, spacing[::-1], np.asarray(volume.affine)[:3, 3], (steps / spacing)[:, ::-1])
    return ids[volume.array], grid, {level.verse_id: level for level in named.values()}


def _level(item: object) -> VertebraLevel | None:
    """A segment's level: its type code, or a name such as ``L1``, ``vertebrae_T12`` or ``Th12``."""
    kinds = getattr(item, "SegmentedPropertyTypeCodeSequence", None) or []
    for kind in kinds:
        if str(getattr(kind, "CodeValue", "")) in SNOMED:
            return SNOMED[str(kind.CodeValue)]
    words = str(getattr(item, "SegmentLabel", "")).upper().replace("_", " ").strip()
    found = NAME.fullmatch(words)  # in full: "L1/L2 disc" and "L2 nerve root" are no vertebrae
    name = f"{found[1][0]}{int(found[2])}" if found else ""
    return VertebraLevel(name) if name in {v.value for v in VertebraLevel} else None
