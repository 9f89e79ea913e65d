import numpy as np
from pkp_navigation.camera_record import CameraFrame, CameraRecord

from planning_core.geometry import RigidTransform
from planning_core.registration.tracked import TrackedPose


def frame(number, stamp_s, *tools):
    poses = {t: TrackedPose(RigidTransform("tracker", t, np.eye(4)), number, stamp_s, 0.1) for t in tools}
    return CameraFrame(number, stamp_s, poses)


def test_only_young_frames_in_order_are_taken():
    record = CameraRecord(0.25)
    assert record.take(frame(1, 10.0), 10.02)
    assert not record.take(frame(1, 10.0), 10.03)
    assert not record.take(frame(2, 9.99), 10.03)
    assert not record.take(frame(3, 10.1), 10.4)
    assert not record.take(frame(4, 11.0), 10.5)
    assert record.take(frame(5, 10.5), 10.52)
    assert [f.number for f in record.after(0, 0.0)[0]] == [1, 5]
    assert record.after(2, 0.0) == ((), 2)


def test_sightings_hold_both_tools_by_the_names_that_registration_uses_and_always_the_last():
    record = CameraRecord(0.25)
    for n in range(100):
        tools = ("robot_ref", "patient_ref") if n % 2 else ("patient_ref",)
        record.take(frame(n, n / 60, *tools), n / 60)
    few = record.sightings(20)
    assert len(few) <= 20
    assert few[-1].plate.frame_number == 99
    assert (few[0].plate.pose.src, few[0].reference.pose.src) == ("plate", "patient_ref")
    record.begin()
    assert record.sightings(20) == ()
