"""Between the driver's readings and messages; nothing is decided here."""

from __future__ import annotations

import math

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, Transform, TransformStamped
from pkp_lifecycle.units import metres
from pkp_msgs.msg import ToolPose as ToolPoseMessage
from pkp_msgs.msg import ToolPoseArray
from tf2_msgs.msg import TFMessage

from pkp_navigation.tool_pose import TRACKER, ToolPose, ToolStatus, TrackerReading
from planning_core.geometry import RigidTransform

NAN = math.nan
UNSEEN = {
    ToolStatus.MISSING: ToolPoseMessage.MISSING,
    ToolStatus.POOR_FIT: ToolPoseMessage.MISSING,
    ToolStatus.OUT_OF_VOLUME: ToolPoseMessage.OUT_OF_VOLUME,
}
"""Whatever else keeps a pose back is the device's error, or one that cannot be told from it."""


def transform_message(transform: RigidTransform) -> Transform:
    """In m."""
    message = Transform()
    to, turn = message.translation, message.rotation
    to.x, to.y, to.z = (metres(float(v)) for v in transform.translation_mm)
    turn.x, turn.y, turn.z, turn.w = transform.quaternion
    return message


def stamped(transform: RigidTransform, stamp: Time, message: Transform | None = None) -> TransformStamped:
    """For TF: parent ``dst``, child ``src``."""
    out = TransformStamped(child_frame_id=transform.src, transform=message or transform_message(transform))
    out.header.stamp, out.header.frame_id = stamp, transform.dst
    return out


def reading_messages(reading: TrackerReading, stamp: Time) -> tuple[ToolPoseArray, TFMessage]:
    """All tools of one device frame, and TF of those that are tracked. The reading must hold a frame."""
    assert reading.frame_number is not None
    array = ToolPoseArray(frame_number=reading.frame_number)
    array.header.stamp, array.header.frame_id = stamp, TRACKER
    tree = TFMessage()
    for pose in reading.poses:
        message = ToolPoseMessage(header=array.header, tool=pose.tool, frame_number=reading.frame_number)
        if pose.T_tracker_tool is None:
            _without_pose(message, pose)
        else:
            transform = transform_message(pose.T_tracker_tool)
            at = message.pose.position
            at.x, at.y, at.z = transform.translation.x, transform.translation.y, transform.translation.z
            message.pose.orientation = transform.rotation
            message.rms, message.status = metres(pose.rms_error_mm or 0.0), message.OK
            tree.transforms.append(stamped(pose.T_tracker_tool, stamp, transform))
        array.tools.append(message)
    return array, tree


def _without_pose(message: ToolPoseMessage, pose: ToolPose) -> None:
    message.pose = Pose()
    at, turn = message.pose.position, message.pose.orientation
    at.x = at.y = at.z = turn.x = turn.y = turn.z = turn.w = message.rms = NAN
    message.status = UNSEEN.get(pose.status, message.DEVICE_ERROR)
