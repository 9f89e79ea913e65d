"""Vertebrae to learn from: label maps in VerSe's and CTSpine1K's layouts, folders of meshes, and the project's own data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import trimesh

from planning_core.anatomy.body import ModelError
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.label_file import LabelFileSegmenter, boundary_of
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine, model_vertebra
from planning_core.anatomy.vertebra import GenantGrade, Spine, Vertebra
from planning_core.errors import InputError
from planning_core.geometry import Grid
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.geometry.solid import inside_mesh

MASKS = {
    "healthy_reference": "healthy_reference/healthy_ref_mask.nii.gz",
    "thoracic_ct": "thoracic_ct/mask.nii.gz",
    "totalseg_ct": "totalseg_ct/spine_report__example_ct_report__totalseg.nii.gz",
    "verse005": "verse005/verse005_L1-L5_labels.nii.gz",
    "verse012": "verse012/sub-verse012_seg-vert_msk.nii.gz",
}
PHANTOM = "lumbar_phantom"
SURFACES = ("013", "016", "018", "024", "026")
NOT_SOUND = {("verse012", "T10"), ("verse012", "L1"), ("healthy_reference", "T1"), ("verse013", "L1"), ("verse024", "L1")}
"""Fractured, or cut by the field of view: looked at one by one. Never learned from; the fractured ones are benchmark cases."""
LABEL_MAPS = ("*_seg-vert_msk.nii.gz", "*_seg.nii.gz")
"""VerSe (``sub-verse012/…_seg-vert_msk.nii.gz``, BIDS derivatives) and CTSpine1K (``label/…_seg.nii.gz``); both number T1 = 8."""
MESH_MM = 0.7


class NoShapesError(InputError):
    """A folder without any vertebra to learn from. Carries ``folder`` and ``levels``."""

    code = "no_shapes"


@attrs.frozen(eq=False)
class Subject:
    """One vertebra of one patient.

    Args:
        sound: neither fractured nor cut; only sound ones are learned from.
        landmarks: (10, 3) in ``Landmark``'s order in the vertebra's frame, mm, where an expert marked them.
    """

    patient: str
    level: VertebraLevel
    vertebra: Vertebra
    sound: bool
    landmarks: FloatArray | None = None


def shared_subjects(data: Path) -> Iterator[Subject]:
    """Every vertebra of the project's shared data, patient by patient, head to foot."""
    for patient, mask in MASKS.items():
        yield from _subjects(patient, model_spine(LabelFileSegmenter(data / mask).read(), None))
    for number in range(1, 6):
        mesh = trimesh.load(data / PHANTOM / f"L{number}_mm.stl")
        # its x runs forward and its y to the left
        mesh = trimesh.Trimesh(mesh.vertices[:, [1, 0, 2]] * [1.0, -1.0, 1.0], mesh.faces)
        yield _of_mesh(PHANTOM, VertebraLevel(f"L{number}"), mesh)
    for subject_number in SURFACES:
        patient = f"verse{subject_number}"
        stem = f"ssm_L1/sub-{patient}_segment_20"
        subject = _of_mesh(patient, VertebraLevel.L1, trimesh.load(data / f"{stem}.ply"))
        marks = json.loads((data / f"{stem}.json").read_text())
        points = [mark["coordinates"] for mark in sorted(marks, key=lambda mark: str(mark["id"]))]
        yield attrs.evolve(subject, landmarks=subject.vertebra.ct_lps_from_vertebra.inverse().apply(points))


def folder_subjects(folder: Path) -> Iterator[Subject]:
    """Every vertebra of a folder of one's own.

    Args:
        folder: label maps anywhere below it, named as VerSe or CTSpine1K name theirs (a patient is the name's part before the
            first ``_``), or a folder per patient with a closed mesh per level (``L1.ply``, ``T12.stl``; mm, ct_lps).

    Raises:
        NoShapesError: neither is there. InputError: a label map that cannot be read or named.
    """
    maps = sorted({p for pattern in LABEL_MAPS for p in folder.rglob(pattern)})
    meshes = sorted(p for p in folder.rglob("*") if re.fullmatch(r"(T([1-9]|1[0-3])|L[1-6])\.(ply|stl)", p.name))
    if not maps and not meshes:
        raise NoShapesError("the folder holds no *_seg-vert_msk.nii.gz, *_seg.nii.gz or L1.ply", folder=folder.name, levels=[])
    for path in maps:
        patient = re.sub(r"^sub-", "", path.name.split("_")[0])
        yield from _subjects(patient, model_spine(LabelFileSegmenter(path, "verse").read(), None))
    for path in meshes:
        yield _of_mesh(path.parent.name, VertebraLevel(path.stem), trimesh.load(path))


def _subjects(patient: str, spine: Spine) -> Iterator[Subject]:
    for level in spine.levels:
        broken = spine.assessments[level].genant is not GenantGrade.NONE or (patient, level.value) in NOT_SOUND
        yield Subject(patient, level, spine.vertebrae[level], not broken)


def _of_mesh(patient: str, level: VertebraLevel, mesh: trimesh.Trimesh) -> Subject:
    """A closed surface in ct_lps, voxelised and modelled as a mask is."""
    grid, mask = _voxels(mesh)
    try:
        boundary = boundary_of(mask, grid)
        vertebra = model_vertebra(level, boundary, np.array([0.0, 0.0, 1.0]), grid, None, AnatomyConfig())
    except ModelError as error:
        raise NoShapesError(f"{patient}: {error.message}", folder=patient, levels=[level.value]) from error
    return Subject(patient, level, vertebra, (patient, level.value) not in NOT_SOUND)


def _voxels(mesh: trimesh.Trimesh) -> tuple[Grid, BoolArray]:
    low = mesh.bounds[0] - 3 * MESH_MM
    size = np.ceil((mesh.bounds[1] + 3 * MESH_MM - low) / MESH_MM).astype(int)
    grid = Grid(size[::-1], [MESH_MM] * 3, low)
    return grid, inside_mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces), grid)
