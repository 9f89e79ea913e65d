"""The driver against the simulated tracker over a real serial line, faults included."""

import re
import threading
import time
from collections.abc import Callable, Iterator

import attrs
import numpy as np
import pytest
from pkp_navigation.ndi_tracker import NdiTracker
from pkp_navigation.tool_definition import ToolDefinitionError
from pkp_navigation.tool_pose import ToolStatus, TrackerReading
from pkp_navigation.tracker_config import RigidPairConfig, ToolConfig, TrackerConfig
from pkp_navigation.tracker_health import late, trouble
from pydantic import ValidationError

from hardware_sim.tracker.scene import PATIENT_REF, PROBE_TIP, ROBOT_REF
from tests.hardware_sim.tracker.running import RunningTracker, running_tracker

DEADLINE_S = 10.0
BODIES = (PATIENT_REF, ROBOT_REF, PROBE_TIP)


@pytest.fixture(scope="module")
def device() -> Iterator[RunningTracker]:
    with running_tracker("--seed", "7") as running:
        yield running


@attrs.define
class Following:
    """A driver that is read by the test itself."""

    driver: NdiTracker
    stream: Iterator[TrackerReading]
    stop: threading.Event
    seen: list[TrackerReading] = attrs.field(factory=list)

    def until(self, condition: Callable[[TrackerReading], bool]) -> TrackerReading:
        """Read on until a reading fits; fails at the deadline (readings come at least every tenth of a second)."""
        deadline = time.monotonic() + DEADLINE_S
        for reading in self.stream:
            self.seen.append(reading)
            if condition(reading):
                return reading
            assert time.monotonic() < deadline, [(pose.tool, pose.status, pose.reason) for pose in reading.poses]
        raise AssertionError("the stream ended")

    def frames(self, count: int) -> list[TrackerReading]:
        """The next ``count`` readings that hold a frame."""
        found: list[TrackerReading] = []
        while len(found) < count:
            found.append(self.until(lambda reading: reading.frame_number is not None))
        return found


def settings(device: RunningTracker, bodies=BODIES, **more) -> TrackerConfig:
    tools = tuple(ToolConfig(name=body.name, markers_mm=body.markers_mm.tolist()) for body in bodies)
    return TrackerConfig(port=str(device.link), tools=tools, **more)


@pytest.fixture
def follow(device):
    device.fault("clear")
    running: list[Following] = []

    def start(**more) -> Following:
        driver, stop = NdiTracker(settings(device, **more)), threading.Event()
        running.append(Following(driver, driver.readings(stop), stop))
        return running[-1]

    yield start
    for following in running:
        following.stop.set()
        following.stream.close()
    device.fault("clear")


def tracked(reading: TrackerReading) -> bool:
    return all(pose.status is ToolStatus.TRACKED for pose in reading.poses)


def becomes(tool: str, status: ToolStatus) -> Callable[[TrackerReading], bool]:
    return lambda reading: reading[tool].status is status


def test_the_tools_are_where_they_are(device, follow):
    with device.watch_truth() as truth:
        following = follow()
        following.until(tracked)
        record = truth.next()
    readings = following.frames(30)
    for body in BODIES:
        poses = [reading[body.name].T_tracker_tool for reading in readings if tracked(reading)]
        assert {(pose.dst, pose.src) for pose in poses} == {("tracker", body.name)}
        error = np.mean([pose.translation_mm for pose in poses], axis=0) - np.array(record["poses"][body.name])[:3, 3]
        # the systematic error of the camera, and its lever to the probe's tip 145 mm from the markers
        assert np.linalg.norm(error) < 1.0
        jitter = np.std([pose.translation_mm for pose in poses], axis=0)
        assert 0.0 < np.linalg.norm(jitter) < 0.3


def test_frames_count_on_and_stamps_follow_the_exposures(device, follow):
    with device.watch_truth() as truth:
        following = follow()
        following.until(tracked)
        readings = following.frames(60)
        exposures = {record["frame_number"]: record["acquired_monotonic_s"] for record in truth.pending()}
    numbers = [reading.frame_number for reading in readings]
    assert numbers == sorted(set(numbers))
    last = readings[-1]
    errors = [r.acquired_monotonic_s - exposures[r.frame_number] for r in readings if r.frame_number in exposures]
    assert len(errors) > 50
    assert max(map(abs, errors)) < 1.5 / 60
    assert all(reading.acquired_monotonic_s < reading.received_monotonic_s for reading in readings)
    assert {pose.frame_number for pose in last.poses} == {last.frame_number}


def test_a_frozen_camera_with_fresh_counters_is_found_out(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("freeze on")
    following.until(lambda reading: becomes("patient_ref", ToolStatus.FROZEN)(reading) and reading.frame_number is not None)
    assert all(pose.T_tracker_tool is None for pose in following.seen[-1].poses)
    device.fault("freeze off")
    following.until(tracked)


def test_a_frame_counter_that_stands_still_is_stale(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("halt on")
    reading = following.until(becomes("patient_ref", ToolStatus.STALE))
    assert reading.frame_number is None
    assert "no new frame" in reading["patient_ref"].reason
    device.fault("halt off")
    following.until(tracked)


def test_a_frame_counter_that_paused_and_went_on_without_a_gap_is_tracked_again_after_a_new_start(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("pause 0.5")
    assert "ms old" in following.until(late)["patient_ref"].reason
    following.until(tracked)
    assert following.driver.counters.connects == 2
    ages = [reading.received_monotonic_s - reading.acquired_monotonic_s for reading in following.frames(30)]
    assert np.median(ages) < 0.1


def test_no_frame_is_given_twice(device, follow):
    following = follow()
    following.until(tracked)
    following.frames(30)
    device.fault("halt on")
    following.until(becomes("patient_ref", ToolStatus.STALE))
    device.fault("halt off")
    following.frames(5)
    numbers = [reading.frame_number for reading in following.seen if reading.frame_number is not None]
    assert len(numbers) == len(set(numbers))
    assert numbers == sorted(numbers)


def test_a_dropout_is_missing_for_that_tool_only(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("dropout robot_ref on")
    reading = following.until(becomes("robot_ref", ToolStatus.MISSING))
    assert reading["patient_ref"].status is ToolStatus.TRACKED
    device.fault("dropout robot_ref off")
    following.until(tracked)


def test_a_jump_of_5_mm_is_refused_until_acknowledged(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("jump patient_ref 5 0 0")
    following.until(becomes("patient_ref", ToolStatus.JUMPED))
    assert {reading["patient_ref"].status for reading in following.frames(20)} == {ToolStatus.JUMPED}
    following.driver.acknowledge("patient_ref")
    following.until(tracked)


def test_exchanged_ids_are_called_swapped_where_a_rigid_pair_is_known(device, follow):
    # robot_ref and probe_tip stand still relative to one another in this scene
    pair = RigidPairConfig(first="robot_ref", second="probe_tip", translation_mm=(270.0, -90.0, -100.0))
    following = follow(rigid_pairs=(pair,))
    following.until(tracked)
    device.fault("swap robot_ref probe_tip")
    reading = following.until(becomes("robot_ref", ToolStatus.SWAPPED))
    assert reading["probe_tip"].status is ToolStatus.SWAPPED
    assert reading["patient_ref"].status is ToolStatus.TRACKED


def test_exchanged_ids_are_a_jump_without_a_pair(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("swap robot_ref patient_ref")
    reading = following.until(becomes("robot_ref", ToolStatus.JUMPED))
    assert reading["patient_ref"].status is ToolStatus.JUMPED


def test_a_ghost_in_place_of_a_sphere_is_a_poor_fit(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("ghost patient_ref 2")
    reading = following.until(lambda reading: not tracked(reading) and reading.frame_number is not None)
    assert reading["patient_ref"].status is ToolStatus.POOR_FIT
    assert reading["patient_ref"].rms_error_mm > 0.5


@pytest.mark.parametrize(
    ("bits", "reason"),
    [("0010", "hardware failure"), ("0100", "diagnostics pending"), ("0200", "temperature"), ("0300", "pending.*temperature")],
)
def test_a_camera_that_doubts_itself_measures_nothing_until_it_is_well(device, follow, bits, reason):
    following = follow()
    following.until(tracked)
    device.fault(f"status {bits}")
    reading = following.until(becomes("patient_ref", ToolStatus.DEVICE_FAULT))
    assert {pose.status for pose in reading.poses} == {ToolStatus.DEVICE_FAULT}
    assert re.search(reason, trouble(reading))
    device.fault("status 0")
    following.until(tracked)


def test_a_change_of_wired_ports_is_no_fault(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("status 00E0")
    assert all(tracked(reading) for reading in following.frames(20)[1:])


def test_a_stray_marker_is_reported_and_disturbs_nothing(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("stray 10 20 -1500")
    reading = following.until(lambda reading: bool(reading.strays_mm))
    assert reading.strays_mm == ((10.0, 20.0, -1500.0),)
    assert tracked(reading)


def test_spoiled_replies_are_counted_and_refused(device, follow):
    following = follow()
    following.until(tracked)
    before = following.driver.counters.crc_errors
    device.fault("corrupt 3")
    following.until(lambda _: following.driver.counters.crc_errors + following.driver.counters.malformed_replies >= before + 3)
    following.until(tracked)
    assert following.driver.counters.connects == 1


def test_a_silent_device_is_stale_then_connected_to_again(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("mute on")
    following.until(becomes("patient_ref", ToolStatus.STALE))
    following.until(becomes("patient_ref", ToolStatus.LINK_DOWN))
    device.fault("mute off")
    following.until(tracked)
    assert following.driver.counters.connects == 2


def test_a_cut_line_is_down_and_comes_back_by_itself(device, follow):
    following = follow()
    following.until(tracked)
    device.fault("cut on")
    reading = following.until(becomes("patient_ref", ToolStatus.LINK_DOWN))
    assert all(pose.T_tracker_tool is None for pose in reading.poses)
    following.until(lambda _: following.driver.counters.failed_connects >= 2)
    device.fault("cut off")
    following.until(tracked)
    assert following.driver.counters.connects == 2


def test_a_second_reader_is_kept_out(device, follow):
    following = follow()
    following.until(tracked)
    second = follow()
    reading = second.until(lambda _: True)
    assert reading["patient_ref"].status is ToolStatus.LINK_DOWN
    following.until(tracked)


def test_stopping_ends_the_stream_and_frees_the_line(device, follow):
    following = follow()
    following.until(tracked)
    following.stop.set()
    assert list(following.stream) == []
    follow().until(tracked)


def test_stopping_while_nobody_answers_does_not_wait_for_the_reset(device, follow):
    device.fault("mute on")
    following = follow(reset_timeout_s=30.0)
    threading.Timer(0.8, following.stop.set).start()
    began = time.monotonic()
    assert [reading["patient_ref"].status for reading in following.stream] == [ToolStatus.LINK_DOWN]
    assert time.monotonic() - began < 10.0


def test_a_body_that_is_not_in_the_room_is_missing(device):
    elsewhere = ToolConfig(name="elsewhere", markers_mm=((0, 0, 0), (44, 0, 0), (0, 91, 0)))
    driver, stop = NdiTracker(TrackerConfig(port=str(device.link), tools=(elsewhere,))), threading.Event()
    stream = driver.readings(stop)
    seen = (reading["elsewhere"].status for reading in stream)
    # a busy machine may be told of a late frame first
    assert next(status for status in seen if status is not ToolStatus.STALE) is ToolStatus.MISSING
    stream.close()


def test_settings_that_cannot_work_are_refused_by_name(device):
    tool = ToolConfig(name="probe_tip", markers_mm=((0, 0, 0), (10, 0, 0), (20, 0, 0)))
    with pytest.raises(ToolDefinitionError, match="probe_tip"):
        next(NdiTracker(TrackerConfig(port=str(device.link), tools=(tool,))).readings(threading.Event()))
    with pytest.raises(ValidationError, match="frame_rate_hz"):
        TrackerConfig(port="x", tools=(tool,), frame_rate_hz=-1.0)
    with pytest.raises(ValidationError, match="either rom_file or markers_mm"):
        ToolConfig(name="probe_tip")
    with pytest.raises(ValidationError, match="differ"):
        TrackerConfig(port="x", tools=(tool, tool))
