import numpy as np
import pytest

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from planning_core.anatomy.label_file import from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.imaging.ingest import load_ct

COARSE = (1.6, 1.6, 2.0)


@pytest.fixture(scope="module")
def patient():
    return generate(PatientSpec(seed=2, spacing_mm=COARSE))


def test_the_same_specification_gives_the_same_patient(patient):
    np.testing.assert_array_equal(generate(PatientSpec(seed=2, spacing_mm=COARSE)).hu, patient.hu)


def test_another_seed_gives_other_anatomy(patient):
    other = generate(PatientSpec(seed=9, spacing_mm=COARSE))
    assert other.hu.shape != patient.hu.shape or not np.array_equal(other.labels, patient.labels)


def test_only_the_fractured_level_differs_from_its_intact_twin(patient):
    changed = np.unique(patient.intact_labels[patient.labels != patient.intact_labels])
    assert set(changed) <= {VertebraLevel.L1.verse_id, 0, VertebraLevel.T12.verse_id, VertebraLevel.L2.verse_id}
    lost = (patient.intact_labels == 20).sum() - (patient.labels == 20).sum()
    assert lost * patient.grid.voxel_ml == pytest.approx(patient.deficit_ml[VertebraLevel.L1], rel=0.15)


@pytest.mark.parametrize("kind", ["wedge", "biconcave", "crush"])
def test_a_fracture_of_each_kind_takes_volume(kind):
    made = generate(PatientSpec(seed=2, spacing_mm=COARSE, fracture=FractureSpec(level="T12", kind=kind, loss=0.4)))
    assert made.deficit_ml[VertebraLevel.T12] > 1.5
    assert made.deficit_ml[VertebraLevel.L1] == 0


def test_every_vertebra_can_be_modelled_as_a_real_one(patient):
    spine = model_spine(from_labels(np.where(patient.intact_labels < 26, patient.intact_labels, 0), patient.grid), None)
    assert {v.value for v in spine.levels} >= {"T10", "T11", "T12", "L1", "L2", "L3", "L4"}
    for vertebra in spine.vertebrae.values():
        assert len(measure_pedicles(vertebra)) == 2


def test_the_series_is_read_as_it_was_made(patient, tmp_path):
    patient.write_dicom(tmp_path / "ct")
    ct = load_ct(tmp_path / "ct")
    np.testing.assert_array_equal(ct.hu, patient.hu)
    np.testing.assert_allclose(ct.grid.points([9, 8, 7]), patient.grid.points([9, 8, 7]), atol=1e-2)
