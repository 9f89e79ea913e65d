import attrs
import numpy as np
import pytest
from hypothesis import given, settings

from planning_core.geometry import FrameMismatchError, RigidTransform
from planning_core.registration.config import TrackerConfig
from planning_core.registration.plate import load_plate
from planning_core.registration.refusals import (
    FrozenTrackerError,
    MovedError,
    NotTogetherError,
    PoorPoseError,
    StalePoseError,
    TrackingError,
)
from planning_core.registration.tracked import plate_in_reference
from tests.planning_core.registration.strategies import REFERENCE_MARKERS, pose, seeds, sightings

PLATE = load_plate()


def seen(frames, now_s=100.5, config=None):
    return plate_in_reference(frames, PLATE.beads_mm, PLATE.markers_mm, REFERENCE_MARKERS, now_s, config)


def frames(seed=0, **more):
    return sightings(pose(seed, "tracker", "plate"), pose(seed + 1, "tracker", "patient_ref"), **more)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_mean_of_many_frames_is_near_the_truth(seed):
    plate, reference = pose(seed, "tracker", "plate"), pose(seed + 1, "tracker", "patient_ref")
    found = seen(sightings(plate, reference, count=50))
    truth = reference.inverse() @ plate
    away = np.linalg.norm(found.transform.apply(PLATE.beads_mm) - truth.apply(PLATE.beads_mm), axis=1)
    assert (found.transform.dst, found.transform.src) == ("patient_ref", "plate")
    assert away.max() < 0.2


def test_more_frames_give_a_smaller_error_that_never_vanishes():
    few, many = seen(frames(count=10)), seen(frames(count=200))
    a, b = (np.trace(x.covariance_at(np.zeros(3))) for x in (few, many))
    assert 0.5 * a < b < a


def test_a_pose_that_is_old_or_from_the_future_is_refused():
    for now in (100 + 61.0, 99.0, float("nan")):
        with pytest.raises(StalePoseError):
            seen(frames(), now_s=now)


def changed(given, number, **fields):
    out = list(given)
    plate = attrs.evolve(out[number].plate, **fields)
    out[number] = attrs.evolve(out[number], plate=plate)
    return out


def test_plate_and_patient_of_different_frames_are_refused():
    with pytest.raises(NotTogetherError):
        seen(changed(frames(), 3, frame_number=77))
    with pytest.raises(NotTogetherError):
        seen(changed(frames(), 3, stamp_s=90.0))
    with pytest.raises(NotTogetherError):
        seen(changed(frames(), 3, stamp_s=float("nan")))


def test_a_tracker_that_repeats_its_frame_is_refused():
    given = frames()
    with pytest.raises(FrozenTrackerError):
        seen([*given, given[-1]])


def both_changed(given, number, **fields):
    """That frame with these fields of both tools changed."""
    frame = given[number]
    both = {tool: attrs.evolve(getattr(frame, tool), **fields) for tool in ("plate", "reference")}
    return [*given[:number], attrs.evolve(frame, **both), *given[number + 1 :]]


def test_a_tracker_connected_to_anew_while_the_scan_was_waited_for_counts_from_zero_and_is_not_frozen():
    given = frames()
    for number in range(5, len(given)):
        given = both_changed(given, number, frame_number=number - 5)
    assert seen(given).transform.src == "plate"


def test_a_frame_number_that_stands_still_under_fresh_stamps_is_refused():
    with pytest.raises(FrozenTrackerError):
        seen(both_changed(frames(), 5, frame_number=1004))


def test_a_later_frame_number_under_a_stamp_that_stands_still_is_refused():
    given = frames()
    with pytest.raises(FrozenTrackerError):
        seen(both_changed(given, 5, stamp_s=given[4].plate.stamp_s))


def test_a_frozen_pose_under_fresh_stamps_is_refused():
    given = frames()
    with pytest.raises(FrozenTrackerError) as caught:
        seen(changed(given, 5, pose=given[4].plate.pose))
    assert caught.value.frame_number == 1005


@pytest.mark.parametrize("rms", [0.51, -1.0, float("nan")])
def test_a_poor_pose_is_refused(rms):
    with pytest.raises(PoorPoseError) as caught:
        seen(changed(frames(), 2, rms_mm=rms))
    assert caught.value.tool == "plate"


def test_a_patient_that_moved_while_the_scan_ran_is_refused():
    given = frames()
    shift = np.eye(4)
    shift[0, 3] = 2.0
    moved = [
        attrs.evolve(
            s, reference=attrs.evolve(s.reference, pose=RigidTransform("tracker", "patient_ref", shift @ s.reference.pose.matrix))
        )
        for s in given[10:]
    ]
    with pytest.raises(MovedError) as caught:
        seen(given[:10] + moved)
    assert caught.value.spread_mm == pytest.approx(1.0, abs=0.1)


def test_too_few_frames_are_refused():
    with pytest.raises(TrackingError, match="9 frames"):
        seen(frames(count=9))
    assert seen(frames(count=9), config=TrackerConfig(min_sightings=9))


def test_a_pose_of_another_tool_is_refused():
    given = frames()
    with pytest.raises(FrameMismatchError):
        seen([attrs.evolve(s, plate=s.reference) for s in given])
