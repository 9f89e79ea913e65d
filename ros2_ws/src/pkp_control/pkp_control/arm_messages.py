"""Between messages (SI) and the arm's own types (mm, monotonic seconds); nothing is decided here."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, TransformStamped
from pkp_lifecycle.units import metres, millimetres
from pkp_msgs.msg import RegistrationResult, StateCommand, ToolPose, ToolPoseArray
from pkp_supervisor.guard import Permit
from pkp_supervisor.phases import Phase
from sensor_msgs.msg import JointState

from pkp_control.compensation import PATIENT, TOOL, TRACKER, ToolSample
from pkp_control.kinematics import JOINT_NAMES, Joints
from pkp_control.planned_path import CT
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

CLOCK_S = 0.002
"""By which one stamp differs in monotonic time from reading to reading."""


def permit(command: StateCommand, heard_s: float) -> Permit:
    """The supervisor's word; a phase that is none permits nothing."""
    known = command.phase in set(Phase)
    return Permit(
        supervisor=command.supervisor,
        sequence=command.sequence,
        epoch=command.epoch,
        motion=command.motion_permitted and known and command.command == StateCommand.ENABLE,
        flow=False,
        phase=Phase(command.phase).name if known else "",
        plan_hash=command.plan.plan_hash,
        side=command.side,
        heard_s=heard_s,
    )


def joints(state: JointState) -> Joints | None:
    """(6,) rad in the arm's order; None where a joint is missing."""
    if tuple(state.name) == JOINT_NAMES and len(state.position) == len(JOINT_NAMES):
        return np.array(state.position)
    by_name = dict(zip(state.name, state.position, strict=False))
    if not all(name in by_name for name in JOINT_NAMES):
        return None
    return np.array([by_name[name] for name in JOINT_NAMES])


def samples(frame: ToolPoseArray, stamp_s: float) -> list[ToolSample]:
    """Patient and robot of one frame; a tool that is not there or not whole has no pose."""
    seen = {tool.tool: tool for tool in frame.tools} if frame.header.frame_id == TRACKER else {}
    return [ToolSample(name, frame.frame_number, stamp_s, _tool_pose(seen.get(name))) for name in (PATIENT, TOOL)]


def registration(result: RegistrationResult) -> RigidTransform | None:
    """``T_patient_ref_ct_lps`` in mm; None where it is not rigid or not of that frame."""
    if result.header.frame_id != PATIENT:
        return None
    t, q = result.transform.translation, result.transform.rotation
    return _rigid(PATIENT, CT, (q.x, q.y, q.z, q.w), (t.x, t.y, t.z))


def newer(stamp_s: float, before_s: float, now_s: float) -> bool:
    """Whether a result was measured after the one before, and not in the future; the same one again, read on a clock, is not."""
    return before_s + CLOCK_S < stamp_s <= now_s + CLOCK_S


def transform_stamped(transform: RigidTransform, stamp: Time) -> TransformStamped:
    """For TF."""
    message = TransformStamped(child_frame_id=transform.src)
    message.header.stamp, message.header.frame_id = stamp, transform.dst
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = (metres(float(v)) for v in transform.translation_mm)
    turn.x, turn.y, turn.z, turn.w = transform.quaternion
    return message


def pose_stamped(transform: RigidTransform, stamp: Time) -> PoseStamped:
    """``T_<frame_id>_<…>``."""
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = stamp, transform.dst
    place, turn = message.pose.position, message.pose.orientation
    place.x, place.y, place.z = (metres(float(v)) for v in transform.translation_mm)
    turn.x, turn.y, turn.z, turn.w = transform.quaternion
    return message


def joint_state(values: Joints, stamp: Time) -> JointState:
    """(6,) rad by name."""
    message = JointState(name=list(JOINT_NAMES), position=[float(v) for v in values])
    message.header.stamp = stamp
    return message


def _tool_pose(tool: ToolPose | None) -> RigidTransform | None:
    if tool is None or tool.status != ToolPose.OK:
        return None
    p, q = tool.pose.position, tool.pose.orientation
    return _rigid(TRACKER, tool.tool, (q.x, q.y, q.z, q.w), (p.x, p.y, p.z))


def _rigid(dst: str, src: str, turn: tuple[float, ...], place_m: tuple[float, ...]) -> RigidTransform | None:
    x, y, z, w = turn
    if not 0.99 < x * x + y * y + z * z + w * w < 1.01:  # a NaN fails too
        return None
    try:
        return RigidTransform.from_quaternion(dst, src, (x, y, z, w), [millimetres(v) for v in place_m])
    except PkpError:
        return None
