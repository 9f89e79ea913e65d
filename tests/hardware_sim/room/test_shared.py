"""The file that processes share: whole samples while another process writes, events that do not change the past."""

import multiprocessing
import time

import numpy as np
import pytest

from hardware_sim.room import Room, RoomSpec, scan_situation
from hardware_sim.room.events import EventKind
from hardware_sim.room.shared import EVENTS, SAMPLES, RoomReader, RoomWriter, SharedRoomError
from planning_core.errors import InputError

DEADLINE_S = 20.0


def pose(time_s: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = [100 * time_s, -7 * time_s, 50 + time_s]
    return matrix


def write_until_told(folder, told) -> None:  # type: ignore[no-untyped-def]
    writer, count = RoomWriter(folder, 5.0), 0
    while not told.is_set():
        count += 1
        writer.sample(count * 1e-3, pose(count * 1e-3), pose(-count * 1e-3), np.zeros(6))


def test_a_reader_sees_only_whole_samples_of_a_busy_writer(tmp_path) -> None:  # type: ignore[no-untyped-def]
    context = multiprocessing.get_context("fork")
    told = context.Event()
    RoomWriter(tmp_path, 5.0)
    child = context.Process(target=write_until_told, args=(tmp_path, told))
    child.start()
    try:
        reader, seen, end = RoomReader(tmp_path, 5.0), 0, time.monotonic() + DEADLINE_S
        newest = 0.0
        while seen < 500:
            assert time.monotonic() < end
            at = float(reader._all[1]) * 1e-3 - 0.0125
            found = reader.poses(at) if at > 0.5 else None
            if found is None:
                continue
            plate, tip = found
            # a torn sample would lie off the line
            shown = plate.translation_mm[0] / 100
            np.testing.assert_allclose(plate.translation_mm, pose(shown)[:3, 3], atol=1e-6)
            np.testing.assert_allclose(tip.translation_mm, pose(-shown)[:3, 3], atol=1e-6)
            assert shown >= at - 1e-9
            newest, seen = max(newest, at), seen + 1
    finally:
        told.set()
        child.join(DEADLINE_S)
        if child.is_alive():
            child.kill()


def test_between_samples_it_is_interpolated_and_goes_on_for_a_moment(tmp_path) -> None:  # type: ignore[no-untyped-def]
    writer, reader = RoomWriter(tmp_path, 0.0), RoomReader(tmp_path, 0.0)
    assert reader.poses(1.0) is None
    for k in range(1, 3 * SAMPLES):
        writer.sample(k * 0.008, pose(k * 0.008), pose(k * 0.008), np.zeros(6))
    end = (3 * SAMPLES - 1) * 0.008
    for at, shown in ((end - 0.0031, end - 0.0031), (end + 0.02, end + 0.02), (end + 5.0, end + 0.05)):
        found = reader.poses(at)
        assert found is not None
        np.testing.assert_allclose(found[0].translation_mm, pose(shown)[:3, 3], atol=1e-6)


def test_a_restarted_writer_goes_on_where_it_was_and_another_room_begins_anew(tmp_path) -> None:  # type: ignore[no-untyped-def]
    first, reader = RoomWriter(tmp_path, 9.0), RoomReader(tmp_path, 9.0)
    assert first.joints is None
    first.sample(1.0, pose(1), pose(1), np.arange(6.0))
    first.happen(1.0, EventKind.COUGH, (4.0,))
    again = RoomWriter(tmp_path, 9.0)
    np.testing.assert_array_equal(again.joints, np.arange(6.0))
    again.sample(2.0, pose(2), pose(2), np.zeros(6))
    again.happen(2.0, EventKind.COUGH, (5.0,))
    assert [event.values for event in reader.new_events()] == [(4.0,), (5.0,)]
    assert reader.new_events() == []
    with pytest.raises(SharedRoomError):
        RoomReader(tmp_path, 10.0)
    assert RoomWriter(tmp_path, 10.0).joints is None


def test_events_come_in_order_later_than_asked_and_not_without_end(tmp_path) -> None:  # type: ignore[no-untyped-def]
    writer, reader = RoomWriter(tmp_path, 0.0), RoomReader(tmp_path, 0.0)
    assert writer.happen(3.0, EventKind.PROBE, (1.0,)).time_s > 3.0
    assert writer.happen(2.0, EventKind.PROBE, (0.0,)).time_s > 3.0
    for kind, values in ((EventKind.BUMP, (1.0, 2.0)), (EventKind.COUGH, (np.nan,)), (EventKind.COUGH, (31.0,))):
        with pytest.raises(InputError, match="takes"):
            writer.happen(4.0, kind, values)
    for _ in range(EVENTS - 2):
        writer.happen(5.0, EventKind.PROBE, (1.0,))
    with pytest.raises(SharedRoomError, match="256"):
        writer.happen(6.0, EventKind.PROBE, (1.0,))
    assert len(reader.new_events()) == EVENTS


def test_a_scan_before_the_arm_runs_sees_the_scan_pose(tmp_path) -> None:  # type: ignore[no-untyped-def]
    spec = RoomSpec(seed=3)
    spec.write(tmp_path)
    ct, plate, bead, read = scan_situation(tmp_path, 4.0)
    assert read == spec
    np.testing.assert_allclose(plate.matrix, Room(tmp_path).layout.world_from_plate.matrix, atol=1e-3)
    np.testing.assert_allclose(ct.apply(spec.bead_lps_mm), bead, atol=1e-9)
