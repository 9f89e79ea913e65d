"""The plate in the patient reference's frame, from camera frames that see both; nothing stale, frozen or moving is used."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from planning_core.geometry import FrameMismatchError, RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.registration.config import TrackerConfig
from planning_core.registration.refusals import (
    FrozenTrackerError,
    MovedError,
    NotTogetherError,
    PoorPoseError,
    StalePoseError,
    TrackingError,
)
from planning_core.registration.uncertain import UncertainTransform, adjoint, point_jacobian

PLATE, REFERENCE, TRACKER = "plate", "patient_ref", "tracker"


@attrs.frozen(eq=False)
class TrackedPose:
    """A tool as the camera saw it in one frame.

    Args:
        pose: T_tracker_<tool>.
        frame_number: the device's own.
        stamp_s: when light fell on the sensor, host clock, s.
        rms_mm: the markers' rms about the tool's geometry, as the device says.
    """

    pose: RigidTransform
    frame_number: int
    stamp_s: float
    rms_mm: float


@attrs.frozen(eq=False)
class Sighting:
    """Plate and patient reference in one camera frame."""

    plate: TrackedPose
    reference: TrackedPose


def marker_covariance(config: TrackerConfig, averaged: int = 1) -> FloatArray:
    """(3, 3) mm² in ``tracker``: one marker's error after averaging so many frames; part of it never averages out."""
    share = config.systematic_share + (1 - config.systematic_share) / averaged
    return np.diag(np.square(config.fle_mm)) * share + np.eye(3) * config.reference_calibration_mm**2


def camera_covariance(points_mm: FloatArray, shared: FloatArray, alone: FloatArray, wavelength_mm: float) -> FloatArray:
    """(3n, 3n) mm² of what a camera says of markers at points (n, 3) of its frame.

    Waves of one length and any direction: neighbours correlate as sin x / x, x = 2π distance / wavelength.

    Args:
        shared: (3, 3) mm² of the smooth error of its volume. alone: (3, 3) mm² of each marker's own.
    """
    apart = np.linalg.norm(points_mm[:, None] - points_mm[None], axis=2)
    return np.asarray(np.kron(np.sinc(2 * apart / wavelength_mm), shared) + np.kron(np.eye(len(points_mm)), alone))


def relative_covariance(
    sighting: Sighting, plate_mm: FloatArray, reference_mm: FloatArray, config: TrackerConfig, averaged: int
) -> FloatArray:
    """(6, 6) of T_patient_ref_plate: what all markers' errors do to both fits together, to first order.

    Part of a camera's error changes smoothly over its volume and is nearly the same for markers that stand close: it moves both
    tools alike and all but cancels (``camera_covariance``).

    Args:
        plate_mm, reference_mm: (m, 3) markers of each tool in its own frame. averaged: frames that were averaged.
    """
    plate, reference = sighting.plate.pose, sighting.reference.pose
    fits = [_fit(plate.apply(plate_mm), 1.0), _fit(reference.apply(reference_mm), -1.0)]
    points = np.vstack([placed for placed, _ in fits])
    gain = np.hstack([gain for _, gain in fits])
    one = np.diag(np.square(config.fle_mm))
    shared = config.systematic_share * config.shared_share
    alone = config.systematic_share - shared + (1 - config.systematic_share) / averaged
    own = one * alone + np.eye(3) * config.reference_calibration_mm**2
    noise = camera_covariance(points, one * shared, own, config.shared_wavelength_mm)
    seen = adjoint(reference.inverse()) @ gain
    return np.asarray(seen @ noise @ seen.T)


def _fit(points: FloatArray, sign: float) -> tuple[FloatArray, FloatArray]:
    """The points (n, 3), and (6, 3n): turn about the tracker's origin and shift of a fit, from their errors."""
    jacobian = point_jacobian(points).reshape(-1, 6)
    return points, np.asarray(sign * np.linalg.pinv(jacobian), dtype=np.float64)


def plate_in_reference(
    sightings: Sequence[Sighting],
    plate_mm: FloatArray,
    plate_markers_mm: FloatArray,
    reference_markers_mm: FloatArray,
    now_s: float,
    config: TrackerConfig | None = None,
) -> UncertainTransform:
    """T_patient_ref_plate over all frames, with its error.

    Args:
        sightings: in the order they were taken, while the scan ran.
        plate_mm: (n, 3) points of the plate that must hold still in ``patient_ref`` (its beads). markers: (m, 3) of each tool in
            its own frame. now_s: host clock.

    Raises:
        TrackingError: one of its children, with the numbers.
    """
    config = config or TrackerConfig()
    if len(sightings) < config.min_sightings:
        raise TrackingError(
            f"plate and patient reference were seen together in {len(sightings)} frames, {config.min_sightings} are needed",
            count=len(sightings),
            needed=config.min_sightings,
        )
    for sighting in sightings:
        _check(sighting, config)
    _check_fresh(sightings, now_s, config)
    relative = [s.reference.pose.inverse() @ s.plate.pose for s in sightings]
    seen = np.array([t.apply(plate_mm) for t in relative])
    spread = float(np.sqrt(((seen - seen.mean(axis=0)) ** 2).sum(axis=-1).mean()))
    if spread > config.max_spread_mm:
        raise MovedError(
            f"plate and patient moved against each other by {spread:.2f} mm rms while the scan ran, at most "
            f"{config.max_spread_mm:g} mm is allowed: scan again",
            spread_mm=spread,
            limit_mm=config.max_spread_mm,
        )
    mean = _mean(relative, plate_mm)
    covariance = relative_covariance(sightings[-1], plate_markers_mm, reference_markers_mm, config, len(sightings))
    return UncertainTransform(mean, covariance)


def _mean(transforms: Sequence[RigidTransform], points: FloatArray) -> RigidTransform:
    """The mean turn, and the shift that leaves the points' middle at its mean place."""
    rotation = Rotation.from_matrix([t.rotation for t in transforms]).mean().as_matrix()
    middle = points.mean(axis=0)
    place = np.mean([t.apply(middle) for t in transforms], axis=0)
    return RigidTransform.from_parts(transforms[0].dst, transforms[0].src, rotation, place - rotation @ middle)


def _check(sighting: Sighting, config: TrackerConfig) -> None:
    """One frame by itself."""
    for seen, tool in ((sighting.plate, PLATE), (sighting.reference, REFERENCE)):
        if (seen.pose.dst, seen.pose.src) != (TRACKER, tool):
            raise FrameMismatchError(
                f"T_{seen.pose.dst}_{seen.pose.src} given where T_tracker_{tool} is needed", left=seen.pose.src, right=tool
            )
        if not (0 <= seen.rms_mm <= config.max_rms_mm):
            raise PoorPoseError(
                f"{tool}'s markers are off by {seen.rms_mm:.2f} mm rms, "
                f"at most {config.max_rms_mm:g} mm is allowed: clean or shield them",
                tool=tool,
                rms_mm=seen.rms_mm,
                limit_mm=config.max_rms_mm,
            )
    apart = abs(sighting.plate.stamp_s - sighting.reference.stamp_s)
    if sighting.plate.frame_number != sighting.reference.frame_number or not apart <= config.max_skew_s:
        raise NotTogetherError(
            f"plate and patient reference come from frames {sighting.plate.frame_number} and {sighting.reference.frame_number}, "
            f"{apart:.4f} s apart: they must be seen in one frame",
            frame_numbers=[sighting.plate.frame_number, sighting.reference.frame_number],
            apart_s=apart,
        )


def _check_fresh(sightings: Sequence[Sighting], now_s: float, config: TrackerConfig) -> None:
    """All frames together: they advance, differ and are recent. A camera never sees the same pose twice to the last bit."""
    for before, after in zip(sightings[:-1], sightings[1:], strict=True):
        # a tracker that was connected to anew counts from zero: the number may fall, only the stamps must go on
        stuck = after.plate.frame_number == before.plate.frame_number or after.plate.stamp_s <= before.plate.stamp_s
        same = any(
            np.array_equal(getattr(before, tool).pose.matrix, getattr(after, tool).pose.matrix) for tool in ("plate", "reference")
        )
        if stuck or same:
            raise FrozenTrackerError(
                f"camera frame {after.plate.frame_number} repeats an earlier one: the tracker is frozen",
                frame_number=after.plate.frame_number,
            )
    age = now_s - sightings[-1].plate.stamp_s
    if not math.isfinite(age) or not 0 <= age <= config.max_age_s:
        raise StalePoseError(
            f"the last camera frame is {age:.1f} s old, at most {config.max_age_s:g} s is allowed",
            age_s=age,
            limit_s=config.max_age_s,
        )
