"""What is to be held, what starts motion, and the states in between."""

from __future__ import annotations

from enum import StrEnum

import attrs
import numpy as np

from pkp_control.compensation.estimation import Vector
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

PATIENT, TOOL, TRACKER = "patient_ref", "robot_ref", "tracker"


class CompensationState(StrEnum):
    """CRTK's operating states."""

    DISABLED = "DISABLED"
    ENABLED = "ENABLED"
    PAUSED = "PAUSED"
    FAULT = "FAULT"


class RearmRefusedError(PkpError):
    """Following is not started. Carries ``reasons``."""

    code = "rearm_refused"


@attrs.frozen
class Permit:
    """What starts or re-starts motion: a person, a fresh registration check, the same plan."""

    acknowledged_by: str
    registration_checked_s: float
    plan_hash: str


@attrs.frozen(eq=False)
class Goal:
    """What is to be held on the patient.

    Args:
        patient_from_tip: ``T_patient_ref_guide_tip``, z along the path.
        entry_mm: distance from the tip to the path's entry, mm.
        target_mm: distance from the tip to the path's target, mm.
        plan_hash: the plan this comes from.
    """

    patient_from_tip: RigidTransform
    entry_mm: float
    target_mm: float
    plan_hash: str

    @property
    def point_on_tool(self) -> Vector:
        """(3,) half way along the path, in guide_tip."""
        return np.array([0.0, 0.0, (self.entry_mm + self.target_mm) / 2])
