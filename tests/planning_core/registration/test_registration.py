"""The whole chain on a simulated scan, and the decision about it."""

import attrs
import numpy as np
import pytest

from planning_core.geometry import RigidTransform
from planning_core.imaging.volume import CtVolume
from planning_core.registration import CheckPoint, judge, register_points, register_scan
from planning_core.registration.config import AcceptanceConfig
from planning_core.registration.plate import Plate
from planning_core.registration.refusals import MirroredPlateError, PlateNotFoundError, RefusedRegistrationError
from planning_core.registration.registration import find_plate
from planning_core.registration.uncertain import UncertainTransform
from tests.planning_core.registration.rooms import PLATE, scanned, tracker_from
from tests.planning_core.registration.strategies import REFERENCE_MARKERS, cloud, covariances, pose, sightings


@attrs.frozen(eq=False)
class Room:
    ct: CtVolume
    truth: object
    reference_from_ct: RigidTransform
    frames: list
    target: np.ndarray


@pytest.fixture(scope="module")
def room():
    made, truth = scanned(0.7, missing_beads=(3,), loose_beads_mm=[np.array([-35.0, 0, 5])])
    target = truth.ct_from_plate.apply([0, 5, -60.0])
    plate, reference = tracker_from(truth, target)
    reference_from_ct = reference.inverse() @ plate @ truth.ct_from_plate.inverse()
    return Room(made.as_ct(), truth, reference_from_ct, sightings(plate, reference), target)


@pytest.fixture(scope="module")
def registration(room):
    return register_scan(room.ct, PLATE, room.frames, REFERENCE_MARKERS, 101.0)


def touched(room, at, off=(0, 0, 0)):
    return CheckPoint(at, room.reference_from_ct.apply(at) + off, np.eye(3) * 0.15**2)


def test_the_target_lies_within_the_predicted_error_with_a_bead_missing_and_one_too_many(room, registration):
    error = registration.reference_from_ct.transform.apply(room.target) - room.reference_from_ct.apply(room.target)
    predicted = registration.error_at(room.target)
    assert np.linalg.norm(error) < predicted.bound95_mm < 1.0
    assert registration.method == "marker plate"
    assert "8 of 9 beads" in registration.notes[0]


def test_a_sound_registration_with_a_good_check_point_is_accepted(room, registration):
    decision = judge(registration, room.target, touched(room, room.target + [0, 20, 10]))
    assert decision.accepted
    decision.require()
    assert decision.check_mm < 0.5


@pytest.mark.parametrize(
    ("check", "word"),
    [
        (None, "no independent check point"),
        (lambda room: touched(room, room.target, (3, 0, 0)), "off by"),
        (lambda room: touched(room, room.target + [0, 0, 200]), "from the target"),
        (lambda room: touched(room, room.truth.beads_lps_mm[0] + [2, 0, 0]), "not independent"),
    ],
)
def test_every_reason_against_it_is_named(room, registration, check, word):
    decision = judge(registration, room.target, check and check(room))
    assert not decision.accepted
    assert any(word in reason for reason in decision.reasons)
    with pytest.raises(RefusedRegistrationError) as caught:
        decision.require()
    assert caught.value.reasons == list(decision.reasons)


def test_a_plan_carried_from_another_scan_counts_its_error_at_the_target_and_not_at_the_check_point(room, registration):
    move = RigidTransform.from_parts("ct_lps", "preop_lps", np.eye(3), [5.0, -3, 2])
    planned = move.inverse().apply(room.target)
    check = touched(room, room.target + [0, 20, 10])
    own = judge(registration, room.target, check)
    exact = judge(registration, planned, check, carried=UncertainTransform.exact(move))
    assert exact.predicted.bound95_mm == pytest.approx(own.predicted.bound95_mm)
    loose = UncertainTransform(move, np.diag([0, 0, 0, 1, 1, 1]) * 0.8**2)
    decision = judge(registration, planned, check, carried=loose)
    assert decision.predicted.rms_mm == pytest.approx(np.hypot(own.predicted.rms_mm, 0.8 * np.sqrt(3)))
    assert decision.check_mm == own.check_mm
    assert [r for r in decision.reasons if "to expect at the target" in r]
    assert not decision.accepted


def test_a_target_too_far_away_is_refused_by_its_predicted_error_alone(room, registration):
    far = room.target + [0, -600, 0]
    decision = judge(registration, far, touched(room, far + [0, 20, 0]), AcceptanceConfig(max_predicted_mm=0.8))
    assert not decision.accepted
    assert "to expect" in decision.reasons[0]
    assert registration.fit.fre_mm < 0.2


def test_residuals_beyond_their_model_are_refused(room, registration):
    worse = attrs.evolve(registration.fit, residuals_mm=registration.fit.residuals_mm * 100)
    decision = judge(attrs.evolve(registration, fit=worse), room.target, touched(room, room.target + [0, 20, 10]))
    assert any("residuals" in reason for reason in decision.reasons)


def test_honest_residuals_are_almost_never_refused():
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        here, fle = cloud(seed, 7), covariances(seed, 7)
        there = pose(seed, "patient_ref", "ct_lps").apply(here) + (np.linalg.cholesky(fle) @ rng.normal(size=(7, 3, 1)))[..., 0]
        made = register_points(there, here, fle, np.zeros((3, 3)))
        rejected += any("residuals" in r for r in judge(made, here[0], None, AcceptanceConfig(fit_confidence=0.95)).reasons)
    assert rejected <= 20


def test_images_whose_axis_is_flipped_are_refused(room):
    flipped = CtVolume(room.ct.hu[:, :, ::-1], room.ct.grid, "")
    with pytest.raises(MirroredPlateError):
        find_plate(flipped, PLATE)


def test_another_plate_is_refused(room):
    other = Plate("other", cloud(3, 9, 80.0), 3.0, 0.05, PLATE.markers_mm)
    with pytest.raises(PlateNotFoundError):
        find_plate(room.ct, other)
