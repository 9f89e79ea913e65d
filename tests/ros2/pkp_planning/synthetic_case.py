"""A small synthetic fracture as a case: planned as ``./pkp plan`` does, with its segmentation kept."""

import hashlib

import attrs
import numpy as np

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.case.exports import as_image
from planning_core.case.folder import Case
from planning_core.case.stage import save_segmentation, stage_key
from planning_core.pipeline import read, run, segment
from planning_core.request import Request

LEVELS = (VertebraLevel.T12, VertebraLevel.L1, VertebraLevel.L2)


@attrs.frozen
class Made:
    """Where it lies, and what the command line's walk planned there."""

    case: object
    ct: object
    plan: object
    segmentation_sha256: str


def make(folder):
    import SimpleITK as sitk

    fracture = FractureSpec(level="L1", kind="wedge", loss=0.35)
    patient = generate(PatientSpec(seed=3, fracture=fracture, spacing_mm=(2.0, 2.0, 2.0)))
    rows = np.flatnonzero(np.isin(patient.labels, [v.verse_id for v in LEVELS]).any(axis=(1, 2)))
    near = (slice(rows[0] - 2, rows[-1] + 3), slice(None), slice(None))
    grid = patient.grid.crop(near)
    sitk.WriteImage(as_image(np.asarray(patient.hu[near], np.int16), grid), str(folder / "ct.nii.gz"))
    sitk.WriteImage(as_image(patient.labels[near], grid), str(folder / "labels.nii.gz"))
    request = Request(folder / "ct.nii.gz", VertebraLevel.L1, labels=folder / "labels.nii.gz")
    case = Case(folder / "case")
    plan = run(request, lambda sha256: case).plan
    with case.writing():
        save_segmentation(case, stage_key("a test"), segment(request, read(request)[0], case))
    kept = next((case.path / "stages").glob("segmentation-*.npz"))
    return Made(case.path, folder / "ct.nii.gz", plan, hashlib.sha256(kept.read_bytes()).hexdigest())
