"""A small synthetic fracture as a case: planned as ``./pkp plan`` does, with its segmentation kept."""

import hashlib

import attrs
import numpy as np
import SimpleITK as sitk

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.vertebra import Side
from planning_core.case.exports import as_image
from planning_core.case.folder import Case
from planning_core.case.inputs import link_ct
from planning_core.case.plan import make_plan
from planning_core.case.revisions import NEWEST, keep
from planning_core.case.stage import save_stage, stage_key
from planning_core.cement.planner import plan_cement
from planning_core.configuration import Configuration
from planning_core.pipeline import read, run, segment
from planning_core.request import Request
from planning_core.trajectory.plan import BreachGrade, ErrorBudget, PathKind, Trajectory, TrajectoryPlan, WallMargins

LEVELS = (VertebraLevel.T12, VertebraLevel.L1, VertebraLevel.L2)


@attrs.frozen
class Made:
    """Where it lies, and what the command line's walk planned there."""

    case: object
    ct: object
    plan: object
    segmentation_sha256: str


def make(folder, whole=True):
    """A case in ``folder``.

    Args:
        whole: planned by the walk of the command line; else by its first stages, with one path that nobody searched for.
    """
    fracture = FractureSpec(level="L1", kind="wedge", loss=0.35)
    patient = generate(PatientSpec(seed=3, fracture=fracture, spacing_mm=(2.0, 2.0, 2.0)))
    rows = np.flatnonzero(np.isin(patient.labels, [v.verse_id for v in LEVELS]).any(axis=(1, 2)))
    near = (slice(rows[0] - 2, rows[-1] + 3), slice(None), slice(None))
    grid = patient.grid.crop(near)
    sitk.WriteImage(as_image(np.asarray(patient.hu[near], np.int16), grid), str(folder / "ct.nii.gz"))
    sitk.WriteImage(as_image(patient.labels[near], grid), str(folder / "labels.nii.gz"))
    request = Request(folder / "ct.nii.gz", VertebraLevel.L1, labels=folder / "labels.nii.gz")
    case = Case(folder / "case")
    if whole:
        plan = run(request, lambda sha256: case).plan
    ct, _ = read(request)
    segmentation = segment(request, ct, case)
    with case.writing():
        if not whole:
            case.claim(ct.sha256, None)
            link_ct(case, request.ct)
            plan = sketched(segmentation, ct)
            keep(case, plan)
            case.write(NEWEST, plan.to_json().encode())
        save_stage(case, "segmentation", stage_key("a test"), segmentation)
    kept = next((case.path / "stages").glob("segmentation-*.npz"))
    return Made(case.path, folder / "ct.nii.gz", plan, hashlib.sha256(kept.read_bytes()).hexdigest())


def sketched(segmentation, ct):
    """A sealed plan whose paths were not searched for: two on the left, one on the right."""
    spine = model_spine(segmentation, ct, LEVELS)
    paths = tuple(
        Trajectory(
            side, kind, np.array([[0.0, 30, 0], [0.0, 0, 0]]), 4.2, BreachGrade.A, WallMargins(1, 1, 1, 1), *[1.0] * 7, 0, 0, None
        )
        for side, kind in (
            (Side.LEFT, PathKind.TRANSPEDICULAR),
            (Side.RIGHT, PathKind.TRANSPEDICULAR),
            (Side.LEFT, PathKind.CROSSING),
        )
    )
    trajectories = TrajectoryPlan(VertebraLevel.L1, paths, (), ErrorBudget(0, 0, 0, 0, 0), 1)
    return make_plan(
        segmentation,
        spine,
        plan_cement(spine, VertebraLevel.L1),
        trajectories,
        Configuration(),
        ct_sha256=ct.sha256,
        labels_sha256=None,
        warnings=(),
    )
