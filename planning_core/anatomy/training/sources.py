"""Where the training patients come from: the shared CTs, masks and surfaces by their folder names, and folders of more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trimesh

from planning_core.anatomy.training.subjects import SACRUM, Subject, prepare
from planning_core.geometry import Grid
from planning_core.geometry.arrays import LabelArray
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.refusals import UnreadableFileError
from planning_core.imaging.volume_file import read_image_file

CTS = {
    "verse012": ("verse012/sub-verse012_ct.nii.gz", "verse012/sub-verse012_seg-vert_msk.nii.gz"),
    "thoracic_ct": ("thoracic_ct/cxr.nii.gz", "thoracic_ct/mask.nii.gz"),
    "totalseg_ct": ("totalseg_ct/example_ct.nii.gz", "totalseg_ct/spine_report__example_ct_report__totalseg.nii.gz"),
}
MASKS = {"verse005": "verse005/verse005_L1-L5_labels.nii.gz", "healthy_reference": "healthy_reference/healthy_ref_mask.nii.gz"}
SURFACES = ("013", "016", "018", "024", "026")
VERSE_NUMBERED = ("verse012", "verse005", "healthy_reference")


def all_subjects(data: Path) -> Iterator[Subject]:
    """Every patient of the shared data, prepared."""
    for name, (ct, mask) in CTS.items():
        array, grid = read_image_file(data / mask)
        yield prepare(name, _verse(array, name), grid, load_ct(data / ct))
    for name, mask in MASKS.items():
        array, grid = read_image_file(data / mask)
        yield prepare(name, _verse(array, name), grid, None)
    # the phantom's x runs forward and its y to the left
    meshes = [trimesh.load(data / f"lumbar_phantom/L{n}_mm.stl") for n in range(1, 6)]
    for mesh in meshes:
        mesh.vertices = mesh.vertices[:, [1, 0, 2]] * np.array([1, -1, 1])
    yield prepare("lumbar_phantom", *_voxels(meshes, 20), None)
    for number in SURFACES:
        mesh = trimesh.load(data / f"ssm_L1/sub-verse{number}_segment_20.ply")
        yield prepare(f"verse{number}", *_voxels([mesh], 20), None)


def extra_subjects(folder: Path) -> Iterator[Subject]:
    """Every patient of a folder of one's own.

    Args:
        folder: in it a folder for each patient with ``ct.nii.gz`` and ``labels.nii.gz`` (VerSe ids, 26 = sacrum).

    Raises:
        UnreadableFileError: there is no such patient, or one has not both files.
    """
    patients = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if not patients:
        raise UnreadableFileError("the extra folder holds no patient folders", reason="no patients")
    for patient in patients:
        array, grid = read_image_file(patient / "labels.nii.gz")
        yield prepare(patient.name, _spine_only(array), grid, load_ct(patient / "ct.nii.gz"))


def _verse(array: np.ndarray, name: str) -> LabelArray:
    """Labels as VerSe ids (26 = sacrum), cervical ones too: they are vertebrae to the networks."""
    if name in VERSE_NUMBERED:
        return _spine_only(array)
    result = np.zeros(array.shape, np.uint8)
    for total in range(27, 47):  # TotalSegmentator: L5 = 27 up to C5 = 46; VerSe runs the other way
        result[array == total] = 51 - total
    result[array == 26] = SACRUM
    return result


def _spine_only(array: np.ndarray) -> LabelArray:
    return np.where((array >= 1) & (array <= 28), array, 0).astype(np.uint8)


def _voxels(meshes: list[trimesh.Trimesh], first_id: int, around_mm: int = 30) -> tuple[LabelArray, Grid]:
    low = np.min([m.bounds[0] for m in meshes], axis=0) - around_mm
    size = np.ceil(np.max([m.bounds[1] for m in meshes], axis=0) + around_mm - low).astype(int)
    labels = np.zeros(size[::-1], np.uint8)
    for number, mesh in enumerate(meshes):
        index = np.round(mesh.voxelized(1.0).fill().points - low).astype(int)
        labels[index[:, 2], index[:, 1], index[:, 0]] = first_id + number
    return labels, Grid(labels.shape, [1, 1, 1], low)
