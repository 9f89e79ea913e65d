import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hardware_sim.carm.station import FieldTooSmallError, Situation, turn
from planning_core.geometry import RigidTransform
from planning_core.imaging.ingest import load_ct
from tests.planning_core.registration.rooms import PLATE, block_patient

FIELD_LPS_MM = np.array([0.0, 0.0, 0.0])
PRONE = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""World from LPS: L to +y, P to +z, S to +x."""


def situation(seed=0, lift=0.0):
    """Prone on a table, a little askew; the plate over the back, a bead beside it."""
    tilt = Rotation.from_rotvec(np.random.default_rng(seed).normal(0, 0.04, 3)).as_matrix()
    patient = RigidTransform.from_parts("world", "ct_lps", tilt @ PRONE, [120.0, -15, 210 + lift])
    flat = Rotation.from_euler("xyz", [10, -8, 90], degrees=True).as_matrix()
    plate = RigidTransform.from_parts("world", "marker_plate", flat, [125.0, -10, 260])
    return Situation.of(patient, plate, patient.apply([5.0, 28.0, 30.0]))


def turned(there=None, time_s=12.0, seed=4, **more):
    return turn(
        block_patient(), FIELD_LPS_MM, PLATE, there or situation(), time_s, seed, **{"spacing_mm": (1.5, 1.5, 1.5), **more}
    )


@pytest.mark.parametrize("seed", range(3))
def test_vertebra_plate_and_bead_are_in_view_whole(seed):
    made = turned(situation(seed))
    assert made.truth.in_view.all()
    grid, seen = made.scan.grid, made.scan.as_ct()
    np.testing.assert_allclose(seen.at(made.truth.beads_lps_mm), made.scan.spec.top_hu, rtol=0.15)
    assert seen.at(made.check_bead_lps_mm) > 1800
    vertebra = made.truth.ct_from_patient.apply([[0, 0, 0], [0, -12, 0], [12, 0, 25], [-12, 0, -25]])
    assert ((grid.indices(vertebra) >= 0) & (grid.indices(vertebra) < grid.shape)).all()
    np.testing.assert_allclose(seen.at(vertebra), 300, atol=260)


def test_truth_and_room_agree():
    there = situation()
    made = turned(there)
    ct_from_world = made.truth.ct_from_patient @ there.world_from_patient.inverse()
    np.testing.assert_allclose(made.truth.ct_from_plate.matrix, (ct_from_world @ there.world_from_plate).matrix, atol=1e-9)
    np.testing.assert_allclose(made.check_bead_lps_mm, ct_from_world.apply(there.check_bead_mm), atol=1e-9)
    # a prone patient on this table lies in the images as he lies in his own CT
    np.testing.assert_allclose(made.truth.ct_from_patient.rotation, np.eye(3), atol=0.12)


def test_scans_at_two_times_are_two_series_of_one_patient(tmp_path):
    first, second, again = (turned(time_s=t, spacing_mm=(3.0, 3.0, 3.0)) for t in (12.0, 99.0, 12.0))
    np.testing.assert_array_equal(first.scan.hu, again.scan.hu)
    assert not np.array_equal(first.scan.hu, second.scan.hu)
    for name, made in (("first", first), ("second", second)):
        made.write_dicom(tmp_path / name)
    one, other = (load_ct(tmp_path / name) for name in ("first", "second"))
    assert one.dicom.series_uid != other.dicom.series_uid
    assert one.hu.shape == other.hu.shape
    record = first.record()
    assert len(record["T_ct_lps_plate"]) == 4
    assert sum(record["in_view"]) == len(record["beads_lps_mm"])


def test_a_field_that_cannot_hold_all_is_refused_with_its_size():
    with pytest.raises(FieldTooSmallError) as caught:
        turned(field_mm=(80.0, 60.0))
    assert caught.value.needed_mm[0] > 80
    with pytest.raises(FieldTooSmallError):
        turned(situation(lift=-250.0))
