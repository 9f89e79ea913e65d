"""Registrations without a scan in the room: balls on the skin, or the bone laid bare, touched one by one with the probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from pkp_navigation.examine_scan import Examined, NoPlanningCtError, ScanJob
from pkp_navigation.touched import held
from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.registration.acceptance import CheckPoint
from planning_core.registration.exposed import FACES, begun, check_by, grip, off_bone, tips
from planning_core.registration.fiducials import nearest, register_touched
from planning_core.registration.registration import Registration, register_probed_surface
from planning_core.registration.touch import Touch

if TYPE_CHECKING:
    from pkp_navigation.register_course import Attendant, Equipment


def by_balls(tools: Equipment, attendant: Attendant, job: ScanJob) -> tuple[Registration, Examined]:
    """Every ball on the skin touched once, in any order.

    Raises:
        PkpError: a refusal by name.
    """
    if not job.scan:
        if not job.planning_ct:
            raise NoPlanningCtError("name the scan that shows the balls, or ingest the plan's CT", needed=job.plan.ct_sha256)
        job = attrs.evolve(job, scan=job.planning_ct, scan_sha256=job.planning_ct_sha256)
    examined, config = attendant.examine(job), tools.config.fiducials
    balls, touches = examined.fiducials, list[Touch]()
    for number in range(1, len(balls) + 1):
        stage = f"touch ball {number} of {len(balls)}"
        touches.append(held(tools, attendant, stage, lambda tip: _again(tip, touches, config.apart_mm)))
    assert examined.check is not None
    left_out = nearest(balls, examined.check.centre_lps_mm)
    return register_touched(touches, balls, left_out, config), examined


def by_bone(tools: Equipment, attendant: Attendant, job: ScanJob) -> tuple[Registration, Examined]:
    """The vertebra's three tips by their names, then places all over what is laid bare of it.

    Raises:
        PkpError: a refusal by name.
    """
    examined, config = attendant.examine(job), tools.config.exposed
    bone = examined.bone
    assert bone is not None
    ends, touches = list[Touch](), list[Touch]()
    for name in tips(bone):
        ends.append(held(tools, attendant, f"touch the {name}'s tip", lambda tip: _again(tip, ends, config.apart_mm)))
    start = begun(ends, bone, config)

    def wrong(tip_mm: FloatArray) -> str:
        return _astray(tip_mm, bone, start, config.off_mm) or _again(tip_mm, touches, config.apart_mm)

    for number in range(1, config.touches + 1):
        touches.append(held(tools, attendant, f"touch the bone, {number} of {config.touches}", wrong, config.frames))
    points = np.array([t.reference_mm for t in touches])
    return register_probed_surface(points, bone, start, tools.config), examined


def bone_checked(tools: Equipment, attendant: Attendant, bone: Vertebra, registration: Registration) -> tuple[CheckPoint, Touch]:
    """Three places on the bone that face three ways and took no part in the fit; the last touch of them.

    Raises:
        NotTouchedError: in the time that the attendant gives.
    """
    config, limits = tools.config.exposed, tools.config.acceptance
    there = registration.reference_from_ct.transform
    used, touches = there.apply(registration.fit.src_mm), list[Touch]()

    def wrong(tip_mm: FloatArray) -> str:
        # feet lie beside the places touched by their distance off the bone
        if np.linalg.norm(used - tip_mm, axis=1).min() < limits.min_independent_touch_mm + config.point_error_mm:
            return "is held at a place that the registration was made from"
        said = _astray(tip_mm, bone, there, tools.touch_within_mm) or _again(tip_mm, touches, config.apart_mm)
        if said or len(touches) + 1 < FACES:
            return said
        faces = [off_bone(place, bone, there)[1] for place in (*(t.reference_mm for t in touches), tip_mm)]
        return "" if grip(faces) >= config.grip else "is held at a face that looks as those before do: touch another side"

    for number in range(1, FACES + 1):
        touches.append(held(tools, attendant, f"touch the check point, face {number} of {FACES}", wrong))
    return check_by(touches, bone, there, config), touches[-1]


def _again(tip_mm: FloatArray, touches: list[Touch], apart_mm: float) -> str:
    near = [n for n, t in enumerate(touches, 1) if np.linalg.norm(tip_mm - t.reference_mm) < apart_mm]
    return f"is held at the place touched as number {near[0]}" if near else ""


def _astray(tip_mm: FloatArray, bone: Vertebra, reference_from_ct: RigidTransform, within_mm: float) -> str:
    away, _ = off_bone(tip_mm, bone, reference_from_ct)
    return "" if abs(away) <= within_mm else f"is held {abs(away):.0f} mm off the bone"
