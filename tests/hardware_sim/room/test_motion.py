"""What moves in the room is a function of time and of what has happened."""

import numpy as np
import pytest

from hardware_sim.room import Room, RoomSpec
from hardware_sim.room.events import AHEAD_S, Event, EventKind
from hardware_sim.room.motion import RoomMotion
from hardware_sim.room.scene import RoomScene, scene
from hardware_sim.room.shared import RoomWriter
from planning_core.errors import InputError


@pytest.fixture
def room(tmp_path):  # type: ignore[no-untyped-def]
    RoomSpec(seed=3, epoch_s=0.0).write(tmp_path)
    return Room(tmp_path)


def heights(motion: RoomMotion, times: np.ndarray) -> np.ndarray:
    return np.array([motion.displacement(t).translation_mm[2] for t in times])


def test_a_held_breath_ends_breathed_out_without_a_jerk_and_goes_on_after(room) -> None:  # type: ignore[no-untyped-def]
    motion, free = room.motion, Room(room.folder).motion
    motion.take([Event(10.0, EventKind.BREATH_HOLD, (1.0,)), Event(30.0, EventKind.BREATH_HOLD, (0.0,))])
    times = np.arange(0, 45, 0.02)
    way = heights(motion, times)
    np.testing.assert_array_equal(way[times < 10], heights(free, times[times < 10]))
    held = way[(times > 15.5) & (times < 30)]  # no breath is longer than 5.5 s here
    assert np.ptp(held) < 1e-9
    assert abs(held[0]) < 1e-6
    assert np.abs(np.diff(way, 2)).max() / 0.02**2 < 20  # mm/s²: as smooth as breathing itself
    assert np.ptp(way[times > 32]) > 3.0


def test_holding_again_and_releasing_at_once_changes_nothing(room) -> None:  # type: ignore[no-untyped-def]
    motion, free = room.motion, Room(room.folder).motion
    kind = EventKind.BREATH_HOLD
    motion.take([Event(9.0, kind, (0.0,)), Event(10.0, kind, (1.0,)), Event(10.0, kind, (1.0,)), Event(10.0, kind, (0.0,))])
    times = np.arange(0, 30, 0.1)
    np.testing.assert_allclose(heights(motion, times), heights(free, times), atol=1e-9)


def test_shifts_add_up_coughs_pass_and_bumps_move_the_reference_alone(room) -> None:  # type: ignore[no-untyped-def]
    motion = room.motion
    motion.take([Event(1.0, EventKind.BREATH_HOLD, (1.0,))])
    still = motion.displacement(8.0).translation_mm
    before = motion.displacement(8.0).inverse() @ motion.world_from_patient_ref(8.0)
    motion.take([Event(10.0, EventKind.SHIFT, (1.0, 2.0, 0.0, 1.0)), Event(12.0, EventKind.SHIFT, (0.0, 2.0, 0.0, 1.0))])
    motion.take([Event(14.0, EventKind.COUGH, (8.0,)), Event(16.0, EventKind.BUMP, (3.0, 0.0, 0.0, 0.0, 0.0, 2.0))])
    np.testing.assert_allclose(motion.displacement(9.9).translation_mm, still, atol=1e-9)
    np.testing.assert_allclose(motion.displacement(13.5).translation_mm - still, [1, 4, 0], atol=1e-9)
    assert motion.displacement(14.125).translation_mm[2] - still[2] == pytest.approx(8.0, abs=0.1)
    np.testing.assert_allclose(motion.displacement(17.0).translation_mm - still, [1, 4, 0], atol=1e-9)
    moved = before.inverse() @ motion.displacement(17.0).inverse() @ motion.world_from_patient_ref(17.0)
    np.testing.assert_allclose(moved.translation_mm, [3, 0, 0], atol=1e-9)


def test_the_probe_rests_on_the_bead_but_for_a_hand(room) -> None:  # type: ignore[no-untyped-def]
    motion = room.motion
    motion.take([Event(1.0, EventKind.BREATH_HOLD, (1.0,)), Event(8.0, EventKind.PROBE, (1.0,))])
    assert motion.world_from_probe(7.9) is None
    off = np.array([motion.world_from_probe(t).translation_mm - motion.bead(t) for t in np.arange(9.2, 13, 0.05)])
    assert 0 < np.linalg.norm(off, axis=1).mean() < 0.6
    assert np.linalg.norm(np.ptp(off, axis=0)) < 0.4
    axis = motion.world_from_probe(10.0).rotation[:, 2]
    camera = room.layout.world_from_tracker.translation_mm - motion.bead(10.0)
    assert np.degrees(np.arccos(axis @ camera / np.linalg.norm(camera))) < 40
    motion.take([Event(13.0, EventKind.PROBE, (0.0,))])
    assert motion.world_from_probe(13.1) is None


def test_the_scene_answers_the_same_for_the_same_time_whatever_happens_after(room, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    writer, shown = RoomWriter(room.folder, 0.0), RoomScene(room)
    for k in range(1, 400):
        writer.sample(k * 0.008, room.layout.world_from_plate.matrix, np.eye(4), np.zeros(6))
    now = 2.9
    first = shown(now)
    for kind, values in (
        (EventKind.BREATH_HOLD, (1.0,)),
        (EventKind.PROBE, (1.0,)),
        (EventKind.OCCLUDER, (0.0, 0.0, 400.0, 80.0)),
    ):
        writer.happen(now, kind, values)
    again = shown(now)
    assert set(first.poses) == set(again.poses) == {"patient_ref", "robot_ref"}
    for name, pose in first.poses.items():
        np.testing.assert_array_equal(pose.matrix, again.poses[name].matrix)
    assert again.occluders == ()
    later = shown(now + 2 * AHEAD_S)
    assert "probe_tip" in later.poses
    assert len(later.occluders) == 1
    monkeypatch.delenv("OPENPKP_SIM", raising=False)
    with pytest.raises(InputError, match="OPENPKP_SIM"):
        scene()
    monkeypatch.setenv("OPENPKP_SIM", str(room.folder))
    np.testing.assert_array_equal(scene()(now).poses["patient_ref"].matrix, first.poses["patient_ref"].matrix)
