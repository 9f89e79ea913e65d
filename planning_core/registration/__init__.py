"""Where the scan's anatomy is for the camera and the arm, and how far off that may be."""

from planning_core.registration.acceptance import Acceptance, CheckPoint, judge
from planning_core.registration.config import RegistrationConfig
from planning_core.registration.plate import Plate, load_plate
from planning_core.registration.registration import (
    Registration,
    find_plate,
    register_points,
    register_probed_surface,
    register_scan,
)
from planning_core.registration.target_error import TargetError, error_at
from planning_core.registration.tracked import Sighting, TrackedPose
from planning_core.registration.uncertain import UncertainTransform

__all__ = [
    "Acceptance",
    "CheckPoint",
    "Plate",
    "Registration",
    "RegistrationConfig",
    "Sighting",
    "TargetError",
    "TrackedPose",
    "UncertainTransform",
    "error_at",
    "find_plate",
    "judge",
    "load_plate",
    "register_points",
    "register_probed_surface",
    "register_scan",
]
