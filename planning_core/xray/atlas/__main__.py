"""Make the bone atlas of CTs with labels: ``python -m planning_core.xray.atlas OUT --data DATA`` (about two minutes).

DATA is the folder of the project's shared data. The shapes are those that the shape models were learned from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.shape_model.training.anatomy import field_of
from planning_core.anatomy.shape_model.training.correspondence import Correspondence, shipped_shapes
from planning_core.anatomy.shape_model.training.surfaces import MASKS, Subject, shared_subjects
from planning_core.geometry.arrays import FloatArray, IntArray, LabelArray
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume import CtVolume
from planning_core.xray.atlas.atlas import LOWEST_HU, STEP_HU, UNIT_MM, BoneAtlas
from planning_core.xray.atlas.interpolation import SpaceMap
from planning_core.xray.atlas.spine import SpineHabit

SCANS = {
    "thoracic_ct": "thoracic_ct/cxr.nii.gz",
    "totalseg_ct": "totalseg_ct/example_ct.nii.gz",
    "verse012": "verse012/sub-verse012_ct.nii.gz",
}
SPACING_MM = 1.75
SHELL_MM = 2.0
"""Beyond the mesh: a CT's blur shows bone there."""


def lattice(vertices: FloatArray, triangles: IntArray) -> tuple[FloatArray, IntArray]:
    """Points (m, 3) that fill a mesh symmetric across x = 0 and a shell about it, and each one's mirror partner."""
    reach = np.abs(vertices).max(axis=0) + SHELL_MM
    count = np.ceil(reach / SPACING_MM).astype(int)
    axes = [(np.arange(-n, n) + 0.5) * SPACING_MM for n in count]
    box = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    near = field_of(vertices, triangles).at(box) < SHELL_MM
    near |= near[::-1]
    number = np.full(near.shape, -1)
    number[near] = np.arange(near.sum())
    return np.round(box[near] / UNIT_MM) * UNIT_MM, number[::-1][near]


def sampled(ct: CtVolume, points: FloatArray) -> LabelArray:
    """(m,) uint8: Hounsfield units at points (m, 3) of the CT; beyond the scan as at its border."""
    index = ct.grid.indices(points)
    hu = ndi.map_coordinates(ct.hu.astype(np.float32), index.T, order=1, mode="nearest")
    return np.clip(np.round((hu - LOWEST_HU) / STEP_HU), 0, 255).astype(np.uint8)


def make(data: Path, known: Correspondence, subjects: Sequence[Subject]) -> BoneAtlas:
    """The atlas of all scans in the shared data."""
    vertices = np.round(known.template.vertices / UNIT_MM) * UNIT_MM
    points, mirror = lattice(vertices, known.template.triangles)
    space = SpaceMap.of(vertices)
    whole = [s for s in subjects if s.patient in MASKS]
    shapes = {(p, v): shape for p, v, shape in zip(known.patients, known.levels, known.shapes, strict=True)}
    samples, of = [], []
    for patient, scan in SCANS.items():
        ct = load_ct(data / scan)
        for subject in whole:
            if subject.patient == patient and subject.sound:
                moved = space.carried(shapes[patient, subject.level] - vertices, points) + points
                samples.append(sampled(ct, subject.vertebra.ct_lps_from_vertebra.apply(moved)))
                of.append(subject)
                print(f"{patient} {subject.level.value}", file=sys.stderr, flush=True)
    habit = SpineHabit(
        tuple(s.patient for s in whole),
        tuple(s.level for s in whole),
        np.array([s.vertebra.ct_lps_from_vertebra.matrix for s in whole]),
    )
    return BoneAtlas(
        vertices,
        points,
        mirror,
        SPACING_MM,
        np.array(samples),
        tuple(s.patient for s in of),
        tuple(s.level for s in of),
        habit,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make and write ``bone.npz``."""
    parser = argparse.ArgumentParser(prog="python -m planning_core.xray.atlas")
    parser.add_argument("out", type=Path, help="folder for the atlas")
    parser.add_argument("--data", type=Path, required=True, help="folder of the shared data")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    atlas = make(given.data, shipped_shapes(), list(shared_subjects(given.data)))
    atlas.save(given.out / "bone.npz")
    print(f"{len(atlas.points)} points, {len(atlas.samples)} vertebrae", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
