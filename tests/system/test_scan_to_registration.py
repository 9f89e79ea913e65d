"""A made-up patient under the C-arm, its series read from disk, tied to the patient reference, judged."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hardware_sim.carm import Rod, ScanSpec, scan
from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import RigidTransform
from planning_core.imaging.ingest import load_ct
from planning_core.registration import CheckPoint, judge, load_plate, register_scan
from tests.planning_core.registration.rooms import tracker_from
from tests.planning_core.registration.strategies import REFERENCE_MARKERS, sightings


@pytest.mark.slow
def test_a_scan_at_half_a_millimetre_is_registered_and_accepted(tmp_path):
    patient = generate(PatientSpec(seed=2, spacing_mm=(1.6, 1.6, 2.0)))
    body = patient.centres_lps_mm[VertebraLevel.L1]
    turn = Rotation.from_rotvec([0.05, 0.03, 0.1]).as_matrix()
    lies = RigidTransform.from_parts("carm", "patient", turn, np.array([0.0, -40, 0]) - turn @ body)
    over = Rotation.from_euler("xyz", [-88, 3, 2], degrees=True).as_matrix()
    plate = load_plate()
    rods = [Rod([20, -30, 0], [20, 0, 5], 2.5), Rod([-20, -30, 0], [-20, 0, 1], 2.5)]
    spec = ScanSpec(field_mm=(160, 60))
    made, truth = scan(patient, lies, plate, RigidTransform.from_parts("carm", "plate", over, [0, 50, 0]), spec, rods)
    made.write_dicom(tmp_path / "scan")
    target = truth.ct_from_patient.apply(body)
    tracker_from_plate, tracker_from_reference = tracker_from(truth, target)
    frames = sightings(tracker_from_plate, tracker_from_reference, count=30)
    found = register_scan(load_ct(tmp_path / "scan"), plate, frames, REFERENCE_MARKERS, 101.0)
    reference_from_ct = tracker_from_reference.inverse() @ tracker_from_plate @ truth.ct_from_plate.inverse()
    error = np.linalg.norm(found.reference_from_ct.transform.apply(target) - reference_from_ct.apply(target))
    assert error < found.error_at(target).bound95_mm < 1.2
    behind = target + [0, 45, 0]
    decision = judge(found, target, CheckPoint(behind, reference_from_ct.apply(behind), np.eye(3) * 0.2**2))
    assert decision.check_mm < 1.0
    assert decision.accepted == (decision.predicted.bound95_mm <= 1.0)
