"""Each way in which a volume cannot be planned on, by name."""

from __future__ import annotations

from planning_core.errors import AmbiguousError, InputError


class UnreadableFileError(InputError):
    """Truncated, corrupt, of no known type, or not there. Carries ``reason``, and ``count`` of several files."""

    code = "unreadable"


class TooLargeError(InputError):
    """More voxels or files than configured. Carries ``count`` and ``limit``."""

    code = "too_large"


class NotThreeDimensionalError(InputError):
    """Not one 3D scalar volume. Carries ``size`` and ``components``."""

    code = "not_3d"


class TooFewSlicesError(InputError):
    """Carries ``slices`` and ``needed``."""

    code = "too_few_slices"


class SliceSpacingError(InputError):
    """Slices too far apart. Carries ``spacing_mm`` and ``limit_mm``."""

    code = "slice_spacing"


class GantryTiltError(InputError):
    """Slices sheared against their normal, as under a tilted gantry. Carries ``tilt_deg``."""

    code = "gantry_tilt"


class MissingSliceError(InputError):
    """A gap in the stack. Carries ``after_slice``, ``gap_mm`` and ``usual_mm``."""

    code = "missing_slice"


class DuplicateSliceError(InputError):
    """Two slices at one place. Carries ``slice`` and ``position_mm``."""

    code = "duplicate_slice"


class UnevenSpacingError(InputError):
    """Slice gaps vary. Carries ``smallest_mm`` and ``largest_mm``."""

    code = "uneven_spacing"


class MissingPositionError(InputError):
    """Slices without position or orientation: spacing would be a guess. Carries ``tag`` and ``slice``."""

    code = "missing_position"


class MixedSeriesError(InputError):
    """Slices that differ in what one series must share. Carries ``attribute`` and ``values``."""

    code = "mixed_series"


class WrongModalityError(InputError):
    """Not CT. Carries ``modality``."""

    code = "wrong_modality"


class NotHounsfieldError(InputError):
    """Values that cannot be Hounsfield units. Carries ``lowest`` and ``highest`` or ``rescale_type``."""

    code = "not_hounsfield"


class AmbiguousSeriesError(AmbiguousError):
    """Several CT series in one folder. Carries ``series``: number, uid, slices and spacing of each."""

    code = "ambiguous_series"


class NoSuchSeriesError(InputError):
    """The series asked for is not there. Carries ``asked`` and ``series``."""

    code = "no_such_series"
