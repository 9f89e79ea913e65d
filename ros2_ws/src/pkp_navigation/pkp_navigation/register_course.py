"""The course of a registration and of its check, step by step; nothing here knows of messages.

REGISTER by plate: camera frames from the beginning on → a scan → the plate in both → the plan carried to the scan → the check
bead touched → judged for every side. By points or surface: ``register_by_touch``, then a ball or faces of the bone that took no
part touched as the check. CHECK: touched again, judged through the standing registration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np

from pkp_navigation.camera_record import CameraRecord
from pkp_navigation.examine_scan import POINTS, SURFACE, Examined, OtherScanError, ScanJob
from pkp_navigation.register_by_touch import bone_checked, by_balls, by_bone
from pkp_navigation.scan_inbox import ScanInbox, StaleScanError
from pkp_navigation.touched import WAIT_S, held
from planning_core.case.plan import Plan
from planning_core.case.revisions import open_plan
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.registration.acceptance import CheckPoint, judge
from planning_core.registration.config import RegistrationConfig
from planning_core.registration.plate import Plate
from planning_core.registration.registration import Registration, joined
from planning_core.registration.target_error import TargetError
from planning_core.registration.touch import Touch, TouchConfig
from planning_core.registration.tracked import plate_in_reference
from planning_core.registration.uncertain import UncertainTransform

MOST_SIGHTINGS = 400
"""Frames that the plate's place is taken from; more teach nothing, as much of the camera's error does not average out."""
SIGHTINGS_OF_A_GIVEN_SCAN = 60
BY_TOUCH = {POINTS: by_balls, SURFACE: by_bone}


class WrongPlanError(InputError):
    """The plan in the case is not the one that is meant. Carries ``expected`` and ``found`` (hashes)."""

    code = "wrong_plan"


class NotRegisteredError(InputError):
    """A check without a registration of this plan to check."""

    code = "not_registered"


@attrs.frozen(eq=False)
class SideError:
    """The error to expect at one side's target: where it lies in ``patient_ref`` (3,) mm, and how far off that may be."""

    side: str
    target_mm: FloatArray
    error: TargetError


@attrs.frozen(eq=False)
class Standing:
    """A registration with all that its check needs."""

    plan: Plan
    registration: Registration
    examined: Examined

    @property
    def carried(self) -> UncertainTransform | None:
        """T_ct_lps_preop_lps from the plan's CT to the scan."""
        return None if self.examined.carried is None else self.examined.carried.intraop_from_preop

    @property
    def reference_from_plan(self) -> RigidTransform:
        """T_patient_ref_ct_lps, ct_lps being that of the plan's CT."""
        there = self.registration.reference_from_ct.transform
        if self.carried is not None:
            there = there @ self.carried.transform
        return RigidTransform(there.dst, "ct_lps", there.matrix)


@attrs.frozen(eq=False)
class Verdict:
    """What a registration or a check came to; reasons speak against it, or say why it is accepted."""

    standing: Standing
    accepted: bool
    reasons: tuple[str, ...]
    errors: tuple[SideError, ...]
    check_mm: float
    touch: Touch


class Attendant(Protocol):
    """Who the course talks to while it goes on."""

    def tell(self, stage: str) -> None:
        """A stage has begun, or goes on."""

    def go_on(self, stage: str) -> None:
        """Raises a PkpError when it was called off or took too long."""

    def examine(self, job: ScanJob) -> Examined:
        """Have the scan looked at in another process."""


@attrs.frozen(eq=False)
class Equipment:
    """What the course works with.

    Args:
        reference_markers_mm, probe_markers_mm: (m, 3) of the tools. touch_within_mm: tips held further off the check point than
            this are not meant as a touch of it. max_scan_age_s: of a scan that is given by its path.
    """

    camera: CameraRecord
    scans: ScanInbox
    plate: Plate
    reference_markers_mm: FloatArray
    probe_markers_mm: FloatArray
    touch: TouchConfig = attrs.field(factory=TouchConfig)
    touch_within_mm: float = 30.0
    max_scan_age_s: float = 600.0
    config: RegistrationConfig = attrs.field(factory=RegistrationConfig)
    clock: Callable[[], float] = time.monotonic


def read_plan(case_path: str, plan_hash: str) -> Plan:
    """The plan of a case, if it is the one that is meant.

    Raises:
        NoPlanError, UnreadablePlanError, TamperedPlanError: of ``planning_core.case.revisions``. WrongPlanError: it has no path.
    """
    plan = open_plan(Path(case_path), plan_hash)
    if not plan.paths:
        raise WrongPlanError("the plan has no path", expected=plan_hash, found=plan.plan_hash)
    return plan


def register(tools: Equipment, attendant: Attendant, job: ScanJob, began_s: float) -> Verdict:
    """Carry a registration through.

    Args:
        job: its ``scan`` is empty where the next one received is meant, or for points the plan's own CT. began_s: host clock;
            camera and inbox begin there.

    Raises:
        PkpError: a refusal by name; a registration that acceptance refused is no error but a verdict.
    """
    if job.method in BY_TOUCH:
        return check(tools, attendant, Standing(job.plan, *BY_TOUCH[job.method](tools, attendant, job)))
    job = _with_scan(tools, attendant, job, began_s)
    sightings = tools.camera.sightings(MOST_SIGHTINGS)
    markers = tools.reference_markers_mm
    seen = plate_in_reference(
        sightings, tools.plate.beads_mm, tools.plate.markers_mm, markers, tools.clock(), tools.config.tracker
    )
    examined = attendant.examine(job)
    assert examined.scanned is not None
    standing = Standing(job.plan, joined(seen, len(sightings), tools.plate, examined.scanned), examined)
    return check(tools, attendant, standing)


def check(tools: Equipment, attendant: Attendant, standing: Standing) -> Verdict:
    """Have the check bead touched, and judge the registration for every side by it.

    Raises:
        NotTouchedError: in the time that the attendant gives.
    """
    bone = standing.examined.bone
    if bone is not None:
        point, touch = bone_checked(tools, attendant, bone, standing.registration)
    else:
        point, touch = _bead_checked(tools, attendant, standing)
    attendant.tell("judging")
    reasons: list[str] = []
    errors: list[SideError] = []
    accepted, away = True, float("nan")
    for path in standing.plan.by_side.values():
        target = np.array(path.target_mm)
        one = judge(standing.registration, target, point, tools.config.acceptance, standing.carried)
        accepted = accepted and one.accepted
        reasons.extend(f"{path.side}: {reason}" for reason in one.reasons)
        errors.append(SideError(path.side, standing.reference_from_plan.apply(target), one.predicted))
        away = away if one.check_mm is None else one.check_mm
    return Verdict(standing, accepted, tuple(reasons), tuple(errors), away, touch)


def _bead_checked(tools: Equipment, attendant: Attendant, standing: Standing) -> tuple[CheckPoint, Touch]:
    bead, transform = standing.examined.check, standing.registration.reference_from_ct.transform
    assert bead is not None
    expected = transform.apply(bead.centre_lps_mm)

    def elsewhere(tip_mm: FloatArray) -> str:
        away = float(np.linalg.norm(tip_mm - expected))
        return "" if away <= tools.touch_within_mm else f"was held still {away:.0f} mm from where it should be"

    touch = held(tools, attendant, "touch the check point", elsewhere)
    covariance = touch.covariance + transform.rotation @ bead.covariance @ transform.rotation.T
    return CheckPoint(bead.centre_lps_mm, touch.reference_mm, covariance), touch


def _with_scan(tools: Equipment, attendant: Attendant, job: ScanJob, began_s: float) -> ScanJob:
    """The job with its scan, once there are camera frames to go with it."""
    stage = "waiting for the scan"
    attendant.tell(stage)
    if job.scan:
        age = time.time() - newest_change(Path(job.scan))
        if not age <= tools.max_scan_age_s:
            raise StaleScanError(
                f"the scan is {age:.0f} s old, at most {tools.max_scan_age_s:g} s is allowed: scan again", age_s=age
            )
        count = 0
        while len(tools.camera.sightings(SIGHTINGS_OF_A_GIVEN_SCAN)) < SIGHTINGS_OF_A_GIVEN_SCAN:
            attendant.go_on(stage)
            _, count = tools.camera.after(count, WAIT_S)
        return job
    while (scan := tools.scans.wait(WAIT_S)) is None:
        attendant.go_on(stage)
    if scan.accepted_s < began_s:
        age = began_s - scan.accepted_s
        raise StaleScanError(f"the scan's transfer began {age:.1f} s before the registration: scan again", age_s=age)
    if job.scan_sha256 and job.scan_sha256 != scan.sha256:
        raise OtherScanError("the scan is not the one that was announced", expected=job.scan_sha256, found=scan.sha256)
    return attrs.evolve(job, scan=scan.source, scan_sha256=scan.sha256)


def newest_change(place: Path) -> float:
    """When a file, or the newest in a folder, was last written, s of the wall clock; nought where there is nothing."""
    files = place.rglob("*") if place.is_dir() else [place]
    return max((f.stat().st_mtime for f in files if f.is_file()), default=0.0)
