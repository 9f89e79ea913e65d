"""A small synthetic fracture, planned once from its CT and its true labels, and the case folder it leaves."""

import numpy as np
import pytest

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from planning_core.anatomy.label_file import from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.case.contents import fill
from planning_core.case.folder import Case
from planning_core.case.plan import make_plan
from planning_core.case.report.drawings import draw_all
from planning_core.case.report.subject import Subject
from planning_core.cement.planner import plan_cement
from planning_core.configuration import Configuration
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.planner import plan_trajectories

LEVELS = (VertebraLevel.T12, VertebraLevel.L1, VertebraLevel.L2)
CT_SHA256, LABELS_SHA256 = "a1" * 32, "b2" * 32


@pytest.fixture(scope="session")
def planned():
    """Subject and plan of a broken L1 between two neighbours; what lies beyond them is cut by the field of view."""
    fracture = FractureSpec(level="L1", kind="wedge", loss=0.35)
    patient = generate(PatientSpec(seed=3, fracture=fracture, spacing_mm=(2.0, 2.0, 2.0)))
    rows = np.flatnonzero(np.isin(patient.labels, [v.verse_id for v in LEVELS]).any(axis=(1, 2)))
    near = (slice(rows[0] - 2, rows[-1] + 3), slice(None), slice(None))
    grid = patient.grid.crop(near)
    ct = CtVolume(patient.hu[near], grid, CT_SHA256)
    segmentation = from_labels(patient.labels[near], grid)
    spine = model_spine(segmentation, ct, LEVELS)
    cement = plan_cement(spine, VertebraLevel.L1)
    trajectories = plan_trajectories(spine, VertebraLevel.L1, cement, ct)
    subject = Subject(ct, segmentation, spine, cement, trajectories)
    plan = make_plan(
        segmentation,
        spine,
        cement,
        trajectories,
        Configuration(),
        ct_sha256=CT_SHA256,
        labels_sha256=LABELS_SHA256,
        warnings=(),
    )
    return subject, plan


@pytest.fixture(scope="session")
def subject(planned):
    return planned[0]


@pytest.fixture(scope="session")
def plan(planned):
    return planned[1]


@pytest.fixture(scope="session")
def drawings(subject):
    return draw_all(subject)


@pytest.fixture(scope="session")
def folder(planned, tmp_path_factory):
    """The case folder with everything in it."""
    place = tmp_path_factory.mktemp("case")
    with Case(place).writing():
        fill(Case(place), *planned)
    return place
