"""What the worker does with a scan: the plate's beads or balls on the skin, the plan carried to it, the check bead. No ROS.

Where the bone itself is touched there is no scan, and the plan's own vertebra is all that is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np

from planning_core.anatomy.vertebra import Vertebra
from planning_core.case.folder import Case
from planning_core.case.plan import Plan
from planning_core.case.planned import planned_vertebra
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume import CtVolume
from planning_core.registration.beads import Bead
from planning_core.registration.carry import Carried, carry_by_intensity
from planning_core.registration.check_bead import CheckBeadConfig, choose_check_bead, other_beads
from planning_core.registration.config import RegistrationConfig
from planning_core.registration.fiducials import find_fiducials, nearest
from planning_core.registration.plate import BUILT_IN, load_plate
from planning_core.registration.registration import PlateInScan, find_plate
from planning_core.registration.start_search import StartSearchConfig, find_start


class OtherScanError(InputError):
    """A CT that is not the one that was announced. Carries ``expected`` and ``found`` (SHA-256)."""

    code = "other_scan"


class NoPlanningCtError(InputError):
    """The CT that the plan was made on is needed to carry the plan, and is not at hand. Carries ``needed`` (SHA-256)."""

    code = "no_planning_ct"


PLATE, POINTS, SURFACE = "plate", "points", "surface"
"""Methods of registration: the plate in the scan, balls on the skin touched, the bone laid bare touched."""


class UnusedScanError(InputError):
    """A scan was named for a method that uses none: the bone is touched as the plan's own CT shows it."""

    code = "unused_scan"


@attrs.frozen
class ScanJob:
    """What is to be looked at.

    Args:
        scan, scan_sha256: the scan in the room; the hash may be empty. case_path: of the plan.
        planning_ct, planning_ct_sha256: what was ingested for planning; empty where nothing was. plate: file; empty: the ruler.
        method: see ``PLATE``.
    """

    scan: str
    scan_sha256: str
    case_path: str
    plan: Plan
    planning_ct: str = ""
    planning_ct_sha256: str = ""
    plate: str = ""
    check_bead: CheckBeadConfig = attrs.field(factory=CheckBeadConfig)
    method: str = PLATE


@attrs.frozen(eq=False)
class Examined:
    """What the scan holds.

    Args:
        scanned: the plate in the scan; ``None`` for the other methods.
        carried: from the plan's CT to the scan; ``None`` where they are one.
        check: the bead to be touched, in the scan; ``None`` where the bone is touched.
        ct_from_vertebra: T_ct_lps_vertebra_<level> in the plan's CT.
        notes: sentences for the record. fiducials: balls on the skin, the one to check them by too. bone: what is touched.
    """

    scanned: PlateInScan | None
    carried: Carried | None
    check: Bead | None
    ct_from_vertebra: RigidTransform
    notes: tuple[str, ...]
    fiducials: tuple[Bead, ...] = ()
    bone: Vertebra | None = None


def examine(job: ScanJob, tell: Callable[[str], None]) -> Examined:
    """Read the scan, find the plate in it, carry the plan to it, choose the check bead.

    Raises:
        PkpError: a refusal by name.
    """
    if job.method == SURFACE:
        return _examined_bone(job, tell)
    config = RegistrationConfig()
    tell("reading")
    scan = load_ct(Path(job.scan))
    if job.scan_sha256 and scan.sha256 != job.scan_sha256:
        raise OtherScanError("the scan is not the one that was announced", expected=job.scan_sha256, found=scan.sha256)
    tell("beads")
    scanned, balls = None, ()
    if job.method == POINTS:
        balls = find_fiducials(scan, config.fiducials, config.beads)
    else:
        scanned = find_plate(scan, load_plate(Path(job.plate) if job.plate else BUILT_IN), config)
        other_beads(scanned, job.check_bead)  # without one there is nothing to wait for
    tell("carrying the plan")
    vertebra = planned_vertebra(Case(Path(job.case_path)), job.plan)
    carried, notes = None, ("the plan was made on this scan",)
    if scan.sha256 != job.plan.ct_sha256:
        planning = _planning_ct(job)
        start = find_start(planning, vertebra, scan, StartSearchConfig(), config.carry)
        carried = carry_by_intensity(planning, vertebra, scan, start.place.transform, config.carry)
        notes = (f"{job.plan.level} found, {start.told}",)
    target = np.mean([path.target_mm for path in job.plan.by_side.values()], axis=0)
    there = target if carried is None else carried.intraop_from_preop.transform.apply(target)
    check = balls[nearest(balls, there)] if scanned is None else choose_check_bead(scanned, there, job.check_bead)
    return Examined(scanned, carried, check, vertebra.ct_lps_from_vertebra, notes, balls)


def _examined_bone(job: ScanJob, tell: Callable[[str], None]) -> Examined:
    if job.scan:
        raise UnusedScanError("the bone is touched as the plan's own CT shows it: name no scan")
    tell("reading")
    bone = planned_vertebra(Case(Path(job.case_path)), job.plan)
    return Examined(
        None, None, None, bone.ct_lps_from_vertebra, (f"{job.plan.level} touched as the plan's CT shows it",), bone=bone
    )


def _planning_ct(job: ScanJob) -> CtVolume:
    if not job.planning_ct or job.planning_ct_sha256 != job.plan.ct_sha256:
        raise NoPlanningCtError(
            "the scan is not the plan's CT, and that CT is not the one ingested: ingest it again", needed=job.plan.ct_sha256
        )
    ct = load_ct(Path(job.planning_ct))
    if ct.sha256 != job.plan.ct_sha256:
        raise OtherScanError("the planning CT has changed since it was ingested", expected=job.plan.ct_sha256, found=ct.sha256)
    return ct
