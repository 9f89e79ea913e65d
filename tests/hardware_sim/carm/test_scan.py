import numpy as np
import pytest

from hardware_sim.carm import ScanSpec, scan
from hardware_sim.carm.scan import OutOfViewError
from planning_core.geometry import FrameMismatchError, RigidTransform
from planning_core.imaging.ingest import load_ct
from tests.planning_core.registration.rooms import PLATE, block_patient, plate_pose, scanned


def test_the_same_scan_twice_is_the_same():
    first, second = scanned(2.0)[0], scanned(2.0)[0]
    np.testing.assert_array_equal(first.hu, second.hu)
    assert not np.array_equal(scanned(2.0, seed=1)[0].hu, first.hu)


def test_the_series_is_read_by_the_ordinary_ingest(tmp_path):
    made, _ = scanned(1.25)
    made.write_dicom(tmp_path / "scan")
    ct = load_ct(tmp_path / "scan")
    np.testing.assert_array_equal(ct.hu, made.hu)
    np.testing.assert_allclose(ct.grid.points([5, 6, 7]), made.grid.points([5, 6, 7]), atol=1e-3)


def test_metal_saturates_where_the_truth_says_it_is():
    made, truth = scanned(1.0)
    at = made.as_ct().at(truth.beads_lps_mm)
    np.testing.assert_allclose(at, made.spec.top_hu, rtol=1e-5)
    assert made.hu.max() == made.spec.top_hu
    assert (made.hu[:, 0, 0] == -1024).all()


def test_metal_blooms_beyond_its_own_volume():
    made, truth = scanned(0.7)
    near = np.linalg.norm(made.grid.all_points() - truth.beads_lps_mm[0], axis=-1) < 4
    seen = (made.hu[near] > 2000).sum() * made.grid.voxel_ml * 1000
    assert seen > 1.3 * 4 / 3 * np.pi * 1.5**3


def test_tissue_lies_where_the_patient_was_put():
    made, truth = scanned(1.25, plate=None)
    patient = block_patient()
    points = np.array([[0.0, 0, 0], [0, -40, 10], [30, 0, -10]])
    expected = [300, 40, 40]
    seen = made.as_ct().at(truth.ct_from_patient.apply(points))
    np.testing.assert_allclose(seen, expected, atol=5 * made.spec.noise_hu)
    assert truth.ct_from_plate is None
    assert patient.hu.shape == patient.grid.shape


def test_beads_outside_the_field_are_not_in_view():
    pose = plate_pose()
    away = RigidTransform.from_parts("carm", "plate", pose.rotation, pose.translation_mm + [0, 0, 40])
    _, truth = scanned(2.0, pose=away)
    assert 0 < truth.in_view.sum() < 9


def test_a_patient_who_is_elsewhere_is_refused():
    far = RigidTransform.from_parts("carm", "patient", np.eye(3), [900, 0, 0])
    with pytest.raises(OutOfViewError):
        scan(block_patient(), far, spec=ScanSpec(spacing_mm=(4, 4, 4)))


def test_poses_between_other_frames_are_refused():
    with pytest.raises(FrameMismatchError):
        scan(block_patient(), RigidTransform("carm", "plate", np.eye(4)))
    with pytest.raises(FrameMismatchError):
        scanned(4.0, plate=PLATE, pose=RigidTransform("world", "plate", np.eye(4)))
