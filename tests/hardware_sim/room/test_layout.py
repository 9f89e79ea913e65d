"""Where things stand: seen by the camera, inside the C-arm's field, clear of the patient, whatever the seed."""

import numpy as np
import pytest
from pydantic import ValidationError

from hardware_sim.arm import ArmConfig, TrueGeometry
from hardware_sim.room import RoomError, RoomFileError, RoomSpec, arm_poses, layout, scan_joints
from hardware_sim.room.scene import tools
from hardware_sim.tracker.config import VolumeConfig
from hardware_sim.tracker.measurement import inside_volume
from planning_core.errors import InputError
from planning_core.geometry import Grid
from planning_core.registration.plate import load_plate


def spec(seed: int = 1, **more: object) -> RoomSpec:
    return RoomSpec.model_validate({"seed": seed, "epoch_s": 0.0, **more})


@pytest.mark.parametrize("seed", range(50))
def test_what_stands_in_the_room_can_be_seen_and_scanned(seed: int) -> None:
    room = layout(spec(seed))
    eye = room.world_from_tracker.inverse()
    plate = eye @ room.world_from_plate
    for pose, tool in ((plate, tools()["robot_ref"]), (eye @ room.world_from_patient_ref, tools()["patient_ref"])):
        markers = pose.apply(tool.markers_mm)
        assert inside_volume(markers, VolumeConfig()).all()
        off = np.degrees(np.arccos(-(markers @ pose.rotation[:, 2]) / np.linalg.norm(markers, axis=1)))
        assert off.max() < 50
    carm = room.world_from_carm.inverse()
    beads = np.vstack(
        [(carm @ room.world_from_plate).apply(load_plate().beads_mm), (carm @ room.world_from_ct).apply(room.bead_mm)]
    )
    across, along = np.hypot(beads[:, 0], beads[:, 1]), np.abs(beads[:, 2])
    assert across.max() < room.carm_field_mm[0] / 2 - 2
    assert along.max() < room.carm_field_mm[1] / 2 - 2
    field = room.world_from_ct.apply([0.0, 0.0, 0.0])
    seen = carm.apply(field)
    assert np.hypot(seen[0], seen[1]) < room.carm_field_mm[0] / 2 - 20  # the middle of the body, with the body round it
    assert np.linalg.norm(room.bead_mm - [0, 79.0, 0]) < 40
    assert (
        np.linalg.norm(
            (room.world_from_ct.apply(room.bead_mm) - room.world_from_plate.apply(load_plate().beads_mm)), axis=1
        ).min()
        > 40
    )
    assert abs(field[0]) < 60
    assert abs(field[1]) < 20
    assert 50 <= abs((room.world_from_patient_ref.translation_mm - field)[0]) <= 80


def test_the_world_lies_as_a_prone_patient_does() -> None:
    turn = layout(spec(4)).world_from_ct.rotation
    assert np.degrees(np.arccos(np.clip(np.diag(turn @ np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])), -1, 1))).max() < 3


@pytest.mark.parametrize("arm", ["ur5", "ur5e", "ur10e"])
def test_the_arm_holds_the_plate_where_the_layout_wants_it(arm: str) -> None:
    room = spec(2, arm=arm)
    plate, tip = arm_poses(layout(room), TrueGeometry.seeded(ArmConfig(model=room.arm), 2), scan_joints(room))
    np.testing.assert_allclose(plate.matrix, layout(room).world_from_plate.matrix, atol=1e-3)
    assert tip.translation_mm[2] > 220
    np.testing.assert_array_equal(scan_joints(room), scan_joints(spec(2, arm=arm)))


def test_a_field_too_small_for_vertebra_and_plate_is_refused_with_what_they_need() -> None:
    with pytest.raises(RoomError, match="need") as refused:
        layout(spec(1, carm_field_mm=(160.0, 130.0)))
    assert refused.value.needed_mm[0] > 160
    assert "of 160 x 130 mm" in refused.value.message


def test_a_vertebra_deep_in_a_stout_patient_is_scanned_with_the_large_field() -> None:
    assert 240 < layout(spec(1, skin_mm=104.0)).carm_field_mm[0] < 400


def test_a_room_is_read_as_it_was_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    room = spec(7, ct=tmp_path / "ct", series="1.2.3", field_lps_mm=(1.0, -2.5, 300.0))
    room.write(tmp_path)
    assert RoomSpec.read(tmp_path) == room
    (tmp_path / "room.json").write_text('{"seed": -1, "sed": 3}')
    with pytest.raises(RoomFileError, match=r"seed: .* 0.*sed: "):
        RoomSpec.read(tmp_path)
    with pytest.raises(RoomFileError, match=r"no room\.json"):
        RoomSpec.read(tmp_path / "nowhere")
    with pytest.raises(ValidationError):
        spec(field_lps_mm=(0.0, np.nan, 0.0))


def test_skin_and_check_bead_come_from_the_patient() -> None:
    grid = Grid((40, 150, 100), [2.0, 2.0, 2.5], [-100.0, -150.0, 0.0])
    left, back = grid.all_points()[..., 0], grid.all_points()[..., 1]
    skin = 70 - 0.002 * left**2
    hu = np.where(back < skin, 40, -1000).astype(np.int16)
    hu[(abs(left) > 30) & (back < 40)] = -850  # lungs
    hu[(back > skin.max() + 14) & (back < skin.max() + 22)] = 100  # the scanner's table
    room = RoomSpec.of(hu, grid, (0.0, 0.0, 50.0), seed=5, epoch_s=0.0)
    assert room.skin_mm == pytest.approx(70 - 0.002 * 45**2, abs=2.5)
    bead = room.bead_lps_mm
    assert bead[1] == pytest.approx(70 - 0.002 * bead[0] ** 2, abs=2.5)
    with pytest.raises(InputError, match="not inside the patient"):
        RoomSpec.of(hu, grid, (0.0, 130.0, 50.0))


@pytest.mark.parametrize("seed", range(6))
def test_in_a_stout_patient_the_bead_is_glued_nearer_to_the_field(seed) -> None:  # type: ignore[no-untyped-def]
    grid = Grid((40, 150, 100), [2.0, 2.0, 2.5], [-100.0, -150.0, 0.0])
    hu = np.where(grid.all_points()[..., 1] < 113.0, 40, -1000).astype(np.int16)
    room = RoomSpec.of(hu, grid, (0.0, 0.0, 50.0), seed=seed, epoch_s=0.0)
    assert np.linalg.norm(room.bead_lps_mm - [0.0, 0.0, 50.0]) < 115
