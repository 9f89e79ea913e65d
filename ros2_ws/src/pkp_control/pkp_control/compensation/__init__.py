"""Live compensation of the patient's motion and of the arm's own error, behind a latch."""

from pkp_control.compensation.config import CompensationConfig
from pkp_control.compensation.estimation import locate_tracker
from pkp_control.compensation.goal import PATIENT, TOOL, TRACKER, CompensationState, Goal, Permit, RearmRefusedError
from pkp_control.compensation.law import Compensator
from pkp_control.compensation.watch import ToolSample

__all__ = [
    "PATIENT",
    "TOOL",
    "TRACKER",
    "CompensationConfig",
    "CompensationState",
    "Compensator",
    "Goal",
    "Permit",
    "RearmRefusedError",
    "ToolSample",
    "locate_tracker",
]
