"""Why a registration is not had: each refusal by name, with its numbers."""

from __future__ import annotations

from planning_core.errors import AmbiguousError, InputError


class RegistrationError(InputError):
    """A registration that cannot be had from what came in."""

    code = "registration"


class PointsError(RegistrationError):
    """Points that fix no pose: too few, on one line, not finite or not paired. Carries ``count`` and ``needed``."""

    code = "points"


class OutliersError(RegistrationError):
    """Too few of the pairs agree on one pose. Carries ``agreeing``, ``needed``, ``count``."""

    code = "outliers"


class PlateFileError(RegistrationError):
    """A plate file that does not validate. Carries ``problems``."""

    code = "plate_file"


class AmbiguousPlateError(RegistrationError):
    """A bead pattern that looks alike from two sides or in a mirror. Carries ``alike`` (beads) and ``mirrored``."""

    code = "ambiguous_plate"


class TooFewBeadsError(RegistrationError):
    """Fewer beads in view than a pose needs. Carries ``found`` and ``needed``."""

    code = "too_few_beads"


class TooMuchMetalError(RegistrationError):
    """More metal in view than can be told apart. Carries ``found`` and ``limit``."""

    code = "too_much_metal"


class PlateNotFoundError(RegistrationError):
    """The beads in view are not this plate's. Carries ``matched``, ``needed``, ``found``."""

    code = "plate_not_found"


class MirroredPlateError(PlateNotFoundError):
    """The beads in view are this plate's in a mirror: the images' axes are flipped. Carries ``matched``."""

    code = "mirrored_plate"


class AmbiguousBeadsError(AmbiguousError):
    """Beads in view fit the plate in two ways. Carries ``matched`` and ``other``."""

    code = "ambiguous_beads"


class TrackingError(RegistrationError):
    """Tracker poses that may not be used."""

    code = "tracking"


class StalePoseError(TrackingError):
    """A pose older than its limit, or stamped in the future. Carries ``age_s`` and ``limit_s``."""

    code = "stale_pose"


class FrozenTrackerError(TrackingError):
    """Poses that repeat: the tracker's frames do not advance. Carries ``frame_number``."""

    code = "frozen_tracker"


class NotTogetherError(TrackingError):
    """Plate and patient reference were not seen in one frame. Carries ``frame_numbers``, ``apart_s``."""

    code = "not_together"


class PoorPoseError(TrackingError):
    """A pose whose own marker error exceeds its limit. Carries ``tool``, ``rms_mm``, ``limit_mm``."""

    code = "poor_pose"


class MovedError(TrackingError):
    """Plate and patient moved against each other while the scan ran. Carries ``spread_mm`` and ``limit_mm``."""

    code = "moved"


class SurfaceError(RegistrationError):
    """Surfaces that were not brought together. Carries ``rms_mm`` and ``limit_mm``."""

    code = "surface"


class UnstableSurfaceError(SurfaceError):
    """Points that let the bone slide or turn unseen. Carries ``predicted_mm`` and ``limit_mm``."""

    code = "unstable_surface"


class CarryError(RegistrationError):
    """A vertebra whose move between two scans is not trusted. Carries the figure and its limit."""

    code = "carry"


class RefusedRegistrationError(RegistrationError):
    """A registration that acceptance refused. Carries ``reasons``."""

    code = "registration_refused"


class XrayRegistrationError(RegistrationError):
    """A bone that cannot be laid over the X-ray images at all. Carries ``views`` or ``pixels`` and ``needed``."""

    code = "xray_registration"
