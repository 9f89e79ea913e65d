"""Why an X-ray image or its geometry cannot be used: each refusal by name, with its numbers."""

from __future__ import annotations

from planning_core.errors import AmbiguousError, InputError
from planning_core.geometry import FrameMismatchError


class XrayError(InputError):
    """An X-ray image, a view or a pair of views that cannot be used."""

    code = "xray"


class InvalidViewError(XrayError):
    """Numbers that are no pinhole view. Carries what is wrong with them."""

    code = "invalid_view"


class MissingGeometryError(XrayError):
    """An image without the tags or file that say how it was taken. Carries ``missing``."""

    code = "missing_geometry"


class DifferentFramesError(XrayError, FrameMismatchError):
    """Views that are given in different frames. Carries ``left`` and ``right``."""

    code = "frame_mismatch"


class EqualViewsError(XrayError):
    """Two views that see the same side. Carries ``angle_deg``, ``needed_deg`` and ``views``."""

    code = "equal_views"


class TooFewViewsError(XrayError):
    """Carries ``views`` and ``needed``."""

    code = "too_few_views"


class MirroredViewError(XrayError):
    """One of the images is mirrored against the others. Carries ``from_detector_side``, one per view."""

    code = "mirrored_view"


class ContradictingOrientationError(XrayError):
    """Patient Orientation names another side than the positioner's angles. Carries ``said`` and ``angles_deg``."""

    code = "contradicting_orientation"


class RepeatedPictureError(XrayError):
    """Two pictures that show one and the same. Carries ``pictures``, their letters, and ``angle_deg`` between them."""

    code = "repeated_picture"


class OutsideViewError(XrayError):
    """Points behind the source, or nothing of the target in the picture. Carries ``count``."""

    code = "outside_view"


class UnknownGreyError(XrayError):
    """Nothing says whether bone is bright or dark. Carries ``missing``."""

    code = "unknown_grey"


class UnreadableXrayError(XrayError):
    """Truncated, corrupt, of no known type, or not there. Carries ``reason``."""

    code = "unreadable_xray"


class NotXrayError(XrayError):
    """Another modality. Carries ``modality``."""

    code = "not_xray"


class EmptyImageError(XrayError):
    """An image without contrast. Carries ``lowest`` and ``highest``."""

    code = "empty_image"


class AmbiguousFrameError(AmbiguousError):
    """Several frames and none chosen. Carries ``frames`` of one file, or ``runs``: frames by the letters of several."""

    code = "ambiguous_frame"


class CalibrationError(XrayError):
    """A C-arm that cannot be calibrated from this picture of the bead phantom."""

    code = "calibration"


class TooFewShadowsError(CalibrationError):
    """Carries ``found`` and ``needed``."""

    code = "too_few_shadows"


class PhantomNotFoundError(CalibrationError):
    """The shadows are not this phantom's. Carries ``matched``, ``needed`` and ``found``."""

    code = "phantom_not_found"


class InvalidPhantomError(CalibrationError):
    """A file that describes no bead phantom. Carries ``problems``."""

    code = "invalid_phantom"


class PoorCalibrationError(CalibrationError):
    """The phantom's beads do not fit one pinhole. Carries ``rms_px`` or ``source_sigma_mm``, and ``limit``."""

    code = "poor_calibration"
