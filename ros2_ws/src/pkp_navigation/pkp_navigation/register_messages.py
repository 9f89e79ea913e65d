"""Between a registration and its messages (SI); nothing is decided here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from pkp_lifecycle.units import M_PER_MM, metres, millimetres
from pkp_msgs.msg import PlanReference, RegistrationResult, TargetError, ToolPose, ToolPoseArray
from tf2_msgs.msg import TFMessage

from pkp_navigation.camera_record import CameraFrame
from pkp_navigation.examine_scan import PLATE, POINTS, SURFACE, Examined
from pkp_navigation.plausibility import pose_transform
from pkp_navigation.register_course import SideError, Standing, Verdict
from pkp_navigation.tool_messages import stamped, transform_message
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.registration.acceptance import AcceptanceConfig
from planning_core.registration.tracked import TrackedPose

REFERENCE = "patient_ref"
REFUSED = "registration_refused"


def camera_frame(message: ToolPoseArray, stamp_s: float) -> CameraFrame | None:
    """The tools that were tracked in a frame; ``None`` for a message that contradicts itself.

    Args:
        stamp_s: of the message's header on the host's monotonic clock.
    """
    stamp = message.header.stamp
    tools = {}
    for tool in message.tools:
        if tool.status != ToolPose.OK:
            continue
        at, turn = tool.pose.position, tool.pose.orientation
        values = (turn.w, turn.x, turn.y, turn.z, *(millimetres(v) for v in (at.x, at.y, at.z)))
        sound = all(math.isfinite(v) for v in (*values, tool.rms)) and abs(math.hypot(*values[:4]) - 1) < 1e-3
        if not sound or tool.frame_number != message.frame_number or tool.header.stamp != stamp or tool.tool in tools:
            return None
        tools[tool.tool] = TrackedPose(pose_transform(tool.tool, values), message.frame_number, stamp_s, millimetres(tool.rms))
    return CameraFrame(message.frame_number, stamp_s, tools)


def verdict_message(verdict: Verdict, plan: PlanReference, stamp: Time, limits: AcceptanceConfig) -> RegistrationResult:
    """A registration or a check that was judged."""
    registration, scanned = verdict.standing.registration, verdict.standing.examined.scanned
    message = RegistrationResult(
        plan=plan,
        method=_method(verdict.standing.examined),
        transform=transform_message(verdict.standing.reference_from_plan),
        fiducials_used=int(registration.fit.inliers.sum()),
        fiducials_rejected=int((~registration.fit.inliers).sum()) if scanned is None else len(scanned.match.missing),
        fiducial_rms=metres(registration.fit.fre_mm),
        check_point_error=metres(verdict.check_mm),
        check_point_limit=metres(limits.max_check_mm),
        accepted=verdict.accepted,
        error_code="" if verdict.accepted else REFUSED,
        error_msg="" if verdict.accepted else "; ".join(verdict.reasons),
    )
    message.header.stamp, message.header.frame_id = stamp, REFERENCE
    message.target_errors = [_target_error(error, message.header) for error in verdict.errors]
    return message


def _method(examined: Examined) -> str:
    if examined.scanned is not None:
        return PLATE
    return POINTS if examined.bone is None else SURFACE


def refusal_message(
    error: PkpError, code: str, plan: PlanReference, method: str, stamp: Time, limits: AcceptanceConfig
) -> RegistrationResult:
    """A registration that was not had; every number in it is NaN."""
    message = RegistrationResult(plan=plan, method=method, error_code=code, error_msg=error.message)
    message.header.stamp, message.header.frame_id = stamp, REFERENCE
    move, turn = message.transform.translation, message.transform.rotation
    move.x = move.y = move.z = turn.x = turn.y = turn.z = turn.w = math.nan
    message.fiducial_rms = message.check_point_error = math.nan
    message.check_point_limit = metres(limits.max_check_mm)
    return message


def tree(standing: Standing, stamp: Time) -> TFMessage:
    """patient_ref → ct_lps, and the plan below it."""
    plan = standing.plan
    parts: list[RigidTransform] = [standing.reference_from_plan, standing.examined.ct_from_vertebra]
    for path in plan.by_side.values():
        turn = along(np.array(path.target_mm) - np.array(path.entry_mm))
        parts.append(RigidTransform.from_parts("ct_lps", f"plan_entry_{path.side}", turn, path.entry_mm))
        parts.append(RigidTransform.from_parts("ct_lps", f"plan_target_{path.side}", turn, path.target_mm))
    return TFMessage(transforms=[stamped(part, stamp) for part in parts])


def along(way: FloatArray) -> FloatArray:
    """(3, 3) rotation: z along a way (3,) in ct_lps, x as near to the patient's left as it can be (the head, where z is left)."""
    z = way / np.linalg.norm(way)
    side = np.array([1.0, 0, 0]) if abs(z[0]) < 0.9 else np.array([0.0, 0, 1])
    x = side - (side @ z) * z
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z])


def _target_error(error: SideError, header: Any) -> TargetError:
    message = TargetError(header=header, side=error.side, rms=metres(error.error.rms_mm), bound_95=metres(error.error.bound95_mm))
    message.target.x, message.target.y, message.target.z = (metres(float(v)) for v in error.target_mm)
    message.covariance = (error.error.covariance * M_PER_MM**2).ravel().tolist()
    return message
