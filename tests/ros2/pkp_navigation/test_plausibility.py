import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkp_navigation.plausibility import Measurement, PlausibilityGuard, pose_transform
from pkp_navigation.tool_pose import ToolPose, ToolStatus
from pkp_navigation.tracker_config import RigidPairConfig, ToolConfig
from scipy.spatial.transform import Rotation

from planning_core.geometry import RigidTransform

TRIANGLE = ((0.0, 0.0, 0.0), (50.0, 0.0, 0.0), (0.0, 72.0, 0.0))
FRAME_S = 1 / 60


def tool(name="patient_ref", **limits) -> ToolConfig:
    return ToolConfig(name=name, markers_mm=TRIANGLE, **limits)


def measured(x=0.0, at=0, turn_deg=0.0, rms=0.1, name="patient_ref", y=0.0) -> Measurement:
    rotation = Rotation.from_euler("z", turn_deg, degrees=True).as_matrix()
    pose = RigidTransform.from_parts("tracker", name, rotation, [x, y, -1500.0])
    return Measurement(pose, pose.matrix.tobytes(), rms, at, at * FRAME_S)


def judge(guard: PlausibilityGuard, measurement: Measurement) -> ToolPose:
    return guard.judge({"patient_ref": measurement})["patient_ref"]


def statuses(guard: PlausibilityGuard, *measurements: Measurement) -> list[ToolStatus]:
    return [judge(guard, measurement).status for measurement in measurements]


def test_breathing_and_noise_pass():
    guard = PlausibilityGuard([tool()])
    random = np.random.default_rng(0)
    for n in range(600):
        x = 2.5 * np.sin(2 * np.pi * 0.25 * n * FRAME_S) + random.normal(0.0, 0.06)
        assert judge(guard, measured(x, n)).status is ToolStatus.TRACKED


def test_a_jump_of_5_mm_stays_refused_until_it_is_acknowledged():
    guard = PlausibilityGuard([tool()])
    judge(guard, measured(0.0, 0))
    jumped = [judge(guard, measured(5.0 + 0.01 * n, n)) for n in range(1, 200)]
    assert {pose.status for pose in jumped} == {ToolStatus.JUMPED}
    assert all(pose.T_tracker_tool is None for pose in jumped)
    assert "5.01 mm in 17 ms" in jumped[-1].reason
    guard.acknowledge("patient_ref")
    assert judge(guard, measured(7.0, 200)).status is ToolStatus.TRACKED


def test_a_jump_back_does_not_heal_it():
    guard = PlausibilityGuard([tool()])
    steps = [measured(0.0, 0), measured(5.0, 1), measured(0.01, 2), measured(0.02, 3)]
    assert statuses(guard, *steps) == [ToolStatus.TRACKED] + 3 * [ToolStatus.JUMPED]


def test_a_jump_is_kept_in_mind_while_the_tool_is_hidden_until_it_is_acknowledged():
    guard = PlausibilityGuard([tool(), tool("robot_ref")])
    judge(guard, measured(0.0, 0))
    assert guard.latched() == ()
    judge(guard, measured(5.0, 1))
    guard.judge({})
    assert guard.latched() == ("patient_ref",)
    guard.acknowledge("patient_ref")
    assert guard.latched() == ()
    assert judge(guard, measured(7.0, 60)).status is ToolStatus.TRACKED


def test_a_jump_of_a_hand_held_probe_waits_for_nobody():
    guard = PlausibilityGuard([tool(latch_jumps=False)])
    assert statuses(guard, measured(0.0, 0), measured(20.0, 1)) == [ToolStatus.TRACKED, ToolStatus.JUMPED]
    assert guard.latched() == ()


def test_a_hand_held_probe_is_refused_for_the_jump_only():
    guard = PlausibilityGuard([tool(latch_jumps=False)])
    steps = [measured(0.0, 0), measured(20.0, 1), measured(20.1, 2)]
    assert statuses(guard, *steps) == [ToolStatus.TRACKED, ToolStatus.JUMPED, ToolStatus.TRACKED]


def test_a_turn_in_place_is_a_jump_too():
    guard = PlausibilityGuard([tool()])
    assert statuses(guard, measured(0.0, 0), measured(0.001, 1, turn_deg=10.0)) == [ToolStatus.TRACKED, ToolStatus.JUMPED]


def test_however_long_unseen_a_tool_may_not_come_back_elsewhere():
    guard = PlausibilityGuard([tool(max_gap_move_mm=30.0)])
    assert statuses(guard, measured(0.0, 0), measured(31.0, 60 * 60)) == [ToolStatus.TRACKED, ToolStatus.JUMPED]


def test_bit_identical_poses_are_repeated_then_frozen_then_fine_again():
    guard = PlausibilityGuard([tool()], frozen_after=3)
    steps = [measured(1.0, n) for n in range(5)] + [measured(1.01, 5)]
    expected = [ToolStatus.TRACKED, ToolStatus.REPEATED, *3 * [ToolStatus.FROZEN], ToolStatus.TRACKED]
    assert statuses(guard, *steps) == expected


def test_a_poor_fit_is_refused_and_not_remembered():
    guard = PlausibilityGuard([tool(max_rms_error_mm=0.5)])
    steps = [measured(0.0, 0), measured(4.0, 1, rms=0.6), measured(0.01, 2)]
    assert statuses(guard, *steps) == [ToolStatus.TRACKED, ToolStatus.POOR_FIT, ToolStatus.TRACKED]


PAIR = RigidPairConfig(first="robot_ref", second="probe_tip", translation_mm=(100.0, 20.0, 0.0), rotation_vector_deg=(0, 0, 90))


def pair_guard() -> PlausibilityGuard:
    return PlausibilityGuard([tool("robot_ref"), tool("probe_tip")], [PAIR])


def placed(n: int, dx=0.0) -> dict[str, Measurement]:
    return {
        "robot_ref": measured(1e-3 * n, n, name="robot_ref"),
        "probe_tip": measured(100.0 + dx + 1e-3 * n, n, turn_deg=90.0, name="probe_tip", y=20.0),
    }


def test_a_rigid_pair_as_mounted_passes():
    assert {pose.status for pose in pair_guard().judge(placed(0)).values()} == {ToolStatus.TRACKED}


def test_exchanged_names_show_in_the_pair_from_the_first_frame():
    first, second = placed(0)["robot_ref"], placed(0)["probe_tip"]
    judged = pair_guard().judge({"robot_ref": second, "probe_tip": first})
    assert {pose.status for pose in judged.values()} == {ToolStatus.SWAPPED}


def test_exchanged_names_while_tracking_are_called_that():
    guard = pair_guard()
    guard.judge(placed(0))
    now = placed(1)
    judged = guard.judge({"robot_ref": now["probe_tip"], "probe_tip": now["robot_ref"]})
    assert {pose.status for pose in judged.values()} == {ToolStatus.SWAPPED}


def test_a_bent_mount_shows_in_the_pair():
    judged = pair_guard().judge(placed(0, dx=3.0))
    assert {pose.status for pose in judged.values()} == {ToolStatus.PAIR_MOVED}
    assert "3.00 mm" in judged["robot_ref"].reason


@given(st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 120), st.floats(-30, 30)), min_size=1, max_size=30))
def test_no_accepted_step_is_faster_than_the_limit(steps):
    limits = tool(latch_jumps=False)
    guard = PlausibilityGuard([limits])
    at, before = 0, None
    for x, frames, turn in steps:
        at += frames
        now = measured(x, at, turn_deg=turn)
        pose = judge(guard, now)
        if pose.status is ToolStatus.TRACKED and before is not None:
            moved = np.linalg.norm(now.T_tracker_tool.translation_mm - before.T_tracker_tool.translation_mm)
            assert moved <= limits.jump_floor_mm + limits.max_speed_mm_s * (now.acquired_s - before.acquired_s) + 1e-9
        if pose.status not in (ToolStatus.REPEATED, ToolStatus.FROZEN):  # those are the measurement before, not a new one
            before = now


def test_a_pose_cannot_be_made_without_being_tracked():
    with pytest.raises(ValueError, match="exclude"):
        ToolPose("patient_ref", measured().T_tracker_tool, 1, 0.0, 0.1, ToolStatus.JUMPED)


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.lists(st.floats(-2000, 2000), min_size=3, max_size=3))
def test_the_wire_quaternion_becomes_the_rotation(rotation_vector, translation):
    rotation = Rotation.from_rotvec(rotation_vector)
    pose = pose_transform("patient_ref", [*rotation.as_quat(scalar_first=True).astype(np.float32), *translation, 0.1])
    assert (pose.dst, pose.src) == ("tracker", "patient_ref")
    assert np.allclose(pose.rotation, rotation.as_matrix(), atol=1e-6)
    assert np.array_equal(pose.translation_mm, translation)
