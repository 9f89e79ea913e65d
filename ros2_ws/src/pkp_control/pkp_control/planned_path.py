"""From a sealed plan and a registration to what the arm is to hold on the patient. Millimetres; no ROS.

The arm and whoever verifies it take the same way from plan to goal, so that both mean the same place.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pkp_control.compensation.goal import PATIENT, Goal
from pkp_control.kinematics import TIP
from planning_core.case.plan import PathRecord, Plan
from planning_core.errors import InputError, PkpError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.plan import PathKind

CT = "ct_lps"
LEAST_DEPTH_MM = 1.0


class NoSuchPathError(PkpError):
    """The plan has no path on that side. Carries ``side`` and ``known``."""

    code = "no_such_path"


class CurvedPathError(PkpError):
    """A guide holds straight paths only. Carries ``side`` and ``kind``."""

    code = "curved_path"


class BadPathError(InputError):
    """A path whose numbers make no way from skin to target. Carries ``side``."""

    code = "bad_path"


class BeyondReachError(PkpError):
    """The target lies further from the guide's mouth than a pin reaches. Carries ``target_mm`` and ``reach_mm``."""

    code = "beyond_reach"


class GuideConfig(BaseModel):
    """Where the guide's mouth stands before the patient, mm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    skin_clearance_mm: float = Field(
        20.0, ge=0, description="mouth of the guide to the skin; at 15 the marker plate beside it came too near on slanting paths"
    )
    unknown_skin_mm: float = Field(60.0, gt=0, description="skin to entry where the CT does not show it; assumed")
    reach_mm: float = Field(160.0, gt=0, description="pin beyond the mouth: 320 mm less sleeve and handle; assumed")


def planned_goal(plan: Plan, side: str, patient_from_ct: RigidTransform, config: GuideConfig | None = None) -> Goal:
    """What is to be held on the patient for one side.

    The guide's mouth stands on the path's axis, ``skin_clearance_mm`` outside the skin; z runs along the path, the turn about it
    is free (here: x as near as may be to ct_lps x).

    Args:
        plan: sealed; its hash is computed again here.
        side: of one of its paths.
        patient_from_ct: ``T_patient_ref_ct_lps``, accepted.
        config: where the mouth stands.

    Raises:
        TamperedPlanError: the plan was changed.
        NoSuchPathError, CurvedPathError, BadPathError, BeyondReachError: see there.
        InputError: the registration's frames are others.
    """
    config = config or GuideConfig()
    plan.verify()
    if (patient_from_ct.dst, patient_from_ct.src) != (PATIENT, CT):
        raise InputError(f"T_{PATIENT}_{CT} is needed, got T_{patient_from_ct.dst}_{patient_from_ct.src}")
    path = path_of(plan, side)
    entry, target = np.array(path.entry_mm), np.array(path.target_mm)
    skin_mm = config.unknown_skin_mm if path.skin_mm is None else path.skin_mm
    depth_mm = float(np.linalg.norm(target - entry))
    if not (np.isfinite([*entry, *target, skin_mm]).all() and depth_mm >= LEAST_DEPTH_MM and skin_mm >= 0):
        raise BadPathError(
            f"path {side} has its target {depth_mm:.3g} mm from its entry and its skin {skin_mm:.3g} mm before it", side=side
        )
    entry_mm = skin_mm + config.skin_clearance_mm
    target_mm = entry_mm + depth_mm
    if target_mm > config.reach_mm:
        raise BeyondReachError(
            f"the target of path {side} is {target_mm:.0f} mm from the guide's mouth, a pin reaches {config.reach_mm:g} mm",
            target_mm=target_mm,
            reach_mm=config.reach_mm,
        )
    axis = (target - entry) / depth_mm
    tip = RigidTransform.from_parts(CT, TIP, frame_along(axis), entry - entry_mm * axis)
    return Goal(patient_from_ct @ tip, entry_mm, target_mm, plan.plan_hash)


def path_of(plan: Plan, side: str) -> PathRecord:
    """The straight path of one side.

    Raises:
        NoSuchPathError, CurvedPathError: see there.
    """
    for path in plan.paths:
        if path.side == side:
            if path.kind == PathKind.CURVED.value or (path.waypoints_mm and len(path.waypoints_mm) > 2):
                raise CurvedPathError(f"path {side} is curved; the guide holds straight ones", side=side, kind=path.kind)
            return path
    known = [path.side for path in plan.paths]
    raise NoSuchPathError(f"the plan has no path {side!r}; it has: {', '.join(known) or 'none'}", side=side, known=known)


def frame_along(axis: FloatArray) -> FloatArray:
    """(3, 3) axes of a right-handed frame with z along ``axis`` (3,) of length one."""
    aside = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = aside - (aside @ axis) * axis
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(axis, x), axis])
