"""A scan with the plate in view tied to the patient reference: T_patient_ref_ct_lps with the error to expect anywhere."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume
from planning_core.registration.beads import BeadSearch, find_beads
from planning_core.registration.config import RegistrationConfig
from planning_core.registration.matching import Match, match_beads
from planning_core.registration.plate import Plate
from planning_core.registration.points import PointRegistration, fit_points
from planning_core.registration.surface import NORMAL_STEP_MM, register_surface
from planning_core.registration.target_error import TargetError, error_at, uncertain_fit
from planning_core.registration.tracked import PLATE, Sighting, plate_in_reference
from planning_core.registration.uncertain import UncertainTransform

SURFACE = "surface"


@attrs.frozen(eq=False)
class Registration:
    """A registration of a CT to the patient reference, however it was had.

    Args:
        reference_from_ct: T_patient_ref_ct_lps with its error.
        method: ``marker plate``, ``paired points`` or ``surface``, whose "points" are feet of probed points on the bone.
        fit: of the points it stands on; ``dst`` is ``plate`` for a marker plate.
        fle: (n, 3, 3) mm² of those points, both sides together, seen in ``fit``'s ``dst``.
        notes: sentences for the record.
    """

    reference_from_ct: UncertainTransform
    method: str
    fit: PointRegistration
    fle: FloatArray
    notes: tuple[str, ...] = ()

    def error_at(self, point_lps_mm: ArrayLike) -> TargetError:
        """The error to expect in ``patient_ref`` at a point (3,) of ct_lps, mm."""
        return error_at(self.reference_from_ct, point_lps_mm)


@attrs.frozen(eq=False)
class PlateInScan:
    """The plate as a scan shows it.

    Args:
        plate_from_ct: T_plate_ct_lps with its error.
        search: all metal found. match: which bead is which. fit: of the matched beads, in the match's order; fle: see
            ``Registration``.
    """

    plate_from_ct: UncertainTransform
    search: BeadSearch
    match: Match
    fit: PointRegistration
    fle: FloatArray


def find_plate(ct: CtVolume, plate: Plate, config: RegistrationConfig | None = None) -> PlateInScan:
    """Beads in the scan, matched without given order, fitted by weight of their own error.

    Raises:
        RegistrationError: one of its children (too few, ambiguous, mirrored, another plate's).
    """
    config = config or RegistrationConfig()
    search = find_beads(ct, plate.bead_diameter_mm, config.beads)
    match = match_beads(plate.beads_mm, search.centres_lps_mm, config.matching)
    mine, theirs = (list(column) for column in zip(*match.pairs, strict=True))
    scanned = np.array([search.beads[n].covariance for n in theirs])
    made = np.eye(3) * plate.bead_tolerance_mm**2
    weights = 1 / (np.trace(scanned, axis1=1, axis2=2) + np.trace(made))
    fit = fit_points(plate.beads_mm[mine], search.centres_lps_mm[theirs], PLATE, "ct_lps", weights)
    turn = fit.transform.rotation
    return PlateInScan(uncertain_fit(fit, made, scanned), search, match, fit, made + turn @ scanned @ turn.T)


def register_scan(
    ct: CtVolume,
    plate: Plate,
    sightings: Sequence[Sighting],
    reference_markers_mm: FloatArray,
    now_s: float,
    config: RegistrationConfig | None = None,
) -> Registration:
    """TiRobot's way: the plate's beads in the scan, its markers in the camera, the patient reference in the same frames.

    Args:
        sightings: camera frames from while the scan ran. reference_markers_mm: (m, 3) of the patient reference in its own frame.
        now_s: host clock.

    Raises:
        RegistrationError: one of its children, with the numbers.
        FrameMismatchError: poses of other tools.
    """
    config = config or RegistrationConfig()
    seen = plate_in_reference(sightings, plate.beads_mm, plate.markers_mm, reference_markers_mm, now_s, config.tracker)
    return joined(seen, len(sightings), plate, find_plate(ct, plate, config))


def joined(seen: UncertainTransform, frames: int, plate: Plate, scanned: PlateInScan) -> Registration:
    """The plate as the camera saw it and as the scan shows it make the registration.

    Args:
        seen: T_patient_ref_plate from so many camera ``frames``. scanned: the same plate in the scan.
    """
    match = scanned.match
    notes = (
        f"{len(match.pairs)} of {len(plate.beads_mm)} beads of {plate.name} matched, fit {scanned.fit.fre_mm:.3f} mm rms",
        f"{len(match.extra)} other beads and {len(scanned.search.others)} other pieces of metal in view",
        f"{frames} camera frames with plate and patient reference",
    )
    return Registration(seen @ scanned.plate_from_ct, "marker plate", scanned.fit, scanned.fle, notes)


def register_points(
    reference_mm: FloatArray,
    ct_mm: FloatArray,
    reference_fle: FloatArray,
    ct_fle: FloatArray,
) -> Registration:
    """Paired points by probe: landmarks touched in ``patient_ref`` and picked in ``ct_lps``.

    Args:
        reference_mm, ct_mm: (n, 3), n ≥ 4. reference_fle, ct_fle: (n, 3, 3) or (3, 3) mm² of each.

    Raises:
        PointsError: too few, on a line, not finite.
    """
    fit = fit_points(reference_mm, ct_mm, "patient_ref", "ct_lps")
    turn = fit.transform.rotation
    fle = np.broadcast_to(reference_fle + turn @ np.asarray(ct_fle) @ turn.T, (len(fit.src_mm), 3, 3))
    return Registration(uncertain_fit(fit, reference_fle, ct_fle), "paired points", fit, fle)


def register_probed_surface(
    points_mm: FloatArray,
    vertebra: Vertebra,
    start: RigidTransform,
    config: RegistrationConfig | None = None,
    stand_off_mm: float = 0.0,
) -> Registration:
    """Points touched all over the bone that can be reached, laid on the vertebra's surface.

    Args:
        points_mm: (n, 3) in ``patient_ref``. start: T_patient_ref_ct_lps, roughly (a few landmarks). stand_off_mm: of the probe's
            ball.

    Raises:
        RegistrationError: one of its children. FrameMismatchError: ``start`` is between other frames.
    """
    config = config or RegistrationConfig()
    to_bone = vertebra.ct_lps_from_vertebra.inverse()
    found = register_surface(points_mm, vertebra.whole, to_bone @ start.inverse(), config.surface, stand_off_mm)
    reference_from_ct = found.moved.inverse() @ UncertainTransform.exact(to_bone)
    moved = found.moved.transform.apply(points_mm)
    normal = vertebra.whole.gradient_at(moved, NORMAL_STEP_MM)
    feet = vertebra.ct_lps_from_vertebra.apply(moved - found.distances_mm[:, None] * normal)
    back = found.moved.transform.inverse()
    residuals = back.rotate(found.distances_mm[:, None] * normal)
    along = back.rotate(normal)
    fle = along[:, :, None] * along[:, None, :] * config.surface.point_error_mm**2
    fit = PointRegistration(reference_from_ct.transform, feet, residuals, found.rms_mm, found.kept, found.kept.astype(np.float64))
    notes = (
        f"{int(found.kept.sum())} of {len(feet)} probed points kept, {found.rms_mm:.2f} mm rms off the bone",
        f"{found.agreeing:.0%} of the starts agree",
    )
    return Registration(reference_from_ct, SURFACE, fit, fle, notes)
