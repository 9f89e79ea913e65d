import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.ros2.running import ROOT, need_ros

pytestmark = pytest.mark.ros
SOURCES = sorted((ROOT / "ros2_ws/src").glob("*_msgs/*/*.*"))


def kinds(path: Path):
    made = getattr(import_module(f"{path.parents[1].name}.{path.parent.name}"), path.stem)
    if path.suffix == ".msg":
        return [made]
    return [made.Request, made.Response] if path.suffix == ".srv" else [made.Goal, made.Result, made.Feedback]


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: f"{p.parents[1].name}/{p.stem}")
def test_every_interface_is_built_and_survives_the_wire(source):
    need_ros()
    from rclpy.serialization import deserialize_message, serialize_message

    for kind in kinds(source):
        assert deserialize_message(serialize_message(kind()), kind) == kind()


def test_values_survive_the_wire():
    need_ros()
    from pkp_msgs.msg import PlanReference, TargetError, ToolPose, ToolPoseArray
    from rclpy.serialization import deserialize_message, serialize_message

    pose = ToolPose(tool="patient_ref", frame_number=4294967295, rms=0.25e-3, status=ToolPose.MISSING)
    pose.pose.position.x = math.nan
    there = deserialize_message(serialize_message(ToolPoseArray(frame_number=7, tools=[pose, pose])), ToolPoseArray)
    assert [t.frame_number for t in there.tools] == [4294967295] * 2
    assert math.isnan(there.tools[0].pose.position.x)
    error = TargetError(covariance=np.arange(9.0))
    np.testing.assert_array_equal(deserialize_message(serialize_message(error), TargetError).covariance, np.arange(9.0))
    plan = PlanReference(case_path="/cases/ä", plan_hash="a" * 64, sides=["left", "right"])
    assert deserialize_message(serialize_message(plan), PlanReference) == plan


def test_phases_have_the_same_numbers_in_message_and_table():
    need_ros()
    from pkp_msgs.msg import ProcedurePhase
    from pkp_supervisor.phases import Phase

    assert {p.name: int(p) for p in Phase} == {p.name: getattr(ProcedurePhase, p.name) for p in Phase}


def test_definitions_of_all_topics_types_can_be_told():
    need_ros()
    from pkp_supervisor.definitions import definition

    text = definition("pkp_msgs/msg/RegistrationResult")
    for used in ("pkp_msgs/TargetError", "geometry_msgs/Quaternion", "builtin_interfaces/Time"):
        assert text.count(f"MSG: {used}\n") == 1
    feedback = definition("pkp_msgs/action/Inject_FeedbackMessage")
    assert "MSG: pkp_msgs/InjectFeedback" in feedback
    assert "MSG: unique_identifier_msgs/UUID" in feedback
