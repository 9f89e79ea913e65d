import pytest
from pkp_navigation.tool_pose import ToolPose, ToolStatus, TrackerReading
from pkp_navigation.tracker_health import late, trouble

TOOLS = ("patient_ref", "robot_ref", "probe_tip")


def reading(status: ToolStatus, frame_number: int | None = 7) -> TrackerReading:
    """All tools in one state, which none is tracked in."""
    poses = tuple(ToolPose(tool, None, frame_number, 1.0, 0.1, status, "so it is") for tool in TOOLS)
    return TrackerReading(poses, frame_number, 1.0, 1.1)


@pytest.mark.parametrize("status", [ToolStatus.FROZEN, ToolStatus.DEVICE_FAULT, ToolStatus.JUMPED])
def test_what_keeps_all_poses_back_though_frames_come_is_trouble(status):
    assert "so it is" in trouble(reading(status))


@pytest.mark.parametrize("status", [ToolStatus.MISSING, ToolStatus.OUT_OF_VOLUME, ToolStatus.POOR_FIT])
def test_what_stands_in_the_way_is_none(status):
    assert trouble(reading(status)) == ""


def test_no_frame_is_trouble():
    assert trouble(reading(ToolStatus.LINK_DOWN, frame_number=None)) == "so it is"


def test_a_jump_of_a_tool_in_a_hand_is_none():
    assert trouble(reading(ToolStatus.JUMPED), hand_held=frozenset(TOOLS)) == ""


def test_frames_that_come_too_late_are_told_from_none_and_from_good_ones():
    assert late(reading(ToolStatus.STALE))
    assert not late(reading(ToolStatus.STALE, frame_number=None))
    assert not late(reading(ToolStatus.MISSING))
