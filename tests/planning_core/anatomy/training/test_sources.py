"""A folder of made-up patients is read as further training patients, and the networks can be trained on it."""

import attrs
import numpy as np
import pytest

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from hardware_sim.patient.training_data import main as write_training_data
from hardware_sim.patient.training_data import varied, write_patient
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.training.sources import extra_subjects
from planning_core.anatomy.training.subjects import BODY, DISC, POSTERIOR
from planning_core.imaging.refusals import UnreadableFileError

LEVELS = (VertebraLevel.T12, VertebraLevel.L1, VertebraLevel.L2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One coarse patient, cut down to three levels."""
    spec = PatientSpec(seed=4, fracture=FractureSpec(level="L1", loss=0.3), spacing_mm=(2.0, 2.0, 2.5))
    patient = generate(spec)
    rows = np.flatnonzero(np.isin(patient.labels, [v.verse_id for v in LEVELS]).any(axis=(1, 2)))
    near = (slice(rows[0] - 2, rows[-1] + 3), slice(None), slice(None))
    labels = np.where(np.isin(patient.labels, [v.verse_id for v in LEVELS]), patient.labels, 0)[near]
    cut = attrs.evolve(patient, grid=patient.grid.crop(near), hu=patient.hu[near], labels=labels, intact_labels=labels)
    place = tmp_path_factory.mktemp("extra")
    write_patient(cut, place / "synthetic_4")
    return place


def test_a_made_up_patient_is_read_with_its_ct_and_every_level(folder):
    (subject,) = extra_subjects(folder)
    assert subject.name == "synthetic_4"
    assert subject.hu is not None
    assert [i.verse_id for i in subject.instances] == [v.verse_id for v in LEVELS]
    assert all(i.complete for i in subject.instances)
    assert {BODY, POSTERIOR, DISC} <= set(np.unique(subject.classes))
    bone, soft = (float(np.median(subject.hu[m])) for m in (subject.classes == BODY, subject.classes == DISC))
    assert bone > soft  # CT and labels lie over each other


def test_a_folder_without_patients_is_refused_by_name(tmp_path):
    with pytest.raises(UnreadableFileError, match="no patient"):
        list(extra_subjects(tmp_path))


def test_a_patient_without_labels_is_refused_by_name(folder, tmp_path):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "ct.nii.gz").write_bytes((folder / "synthetic_4" / "ct.nii.gz").read_bytes())
    with pytest.raises(UnreadableFileError):
        list(extra_subjects(tmp_path))


def test_the_command_writes_patients_that_differ(tmp_path):
    assert write_training_data([str(tmp_path / "out"), "--patients", "2", "--seed", "5", "--spacing", "3", "3", "4"]) == 0
    sizes = [(tmp_path / "out" / f"synthetic_{seed}" / "ct.nii.gz").stat().st_size for seed in (5, 6)]
    assert sizes[0] != sizes[1]
    assert varied(5) == varied(5) != varied(6)


@pytest.mark.slow
def test_the_three_networks_can_be_trained_on_it(folder, tmp_path):
    pytest.importorskip("torch", reason="training needs the extra 'training'")
    pytest.importorskip("onnx", reason="training needs the extra 'training'")
    from planning_core.anatomy.network import Network
    from planning_core.anatomy.patches import REFINEMENT, SPINE_MAP, VERTEBRA
    from planning_core.anatomy.training.__main__ import train_networks

    train_networks(list(extra_subjects(folder)), tmp_path, seed=1, share_of_steps=0.001)
    for window, inputs in ((SPINE_MAP, 4), (VERTEBRA, 4), (REFINEMENT, 3)):
        shares = Network(window, tmp_path).probabilities(np.zeros((inputs, *window.shape), np.float32))
        assert shares.shape == (len(window.classes), *window.shape)
        np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-3)
