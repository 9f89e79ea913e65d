"""Parameters of the arm node, with what each is assumed from."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pkp_control.approach import ApproachConfig
from pkp_control.compensation import CompensationConfig
from pkp_control.kinematics import ArmModel
from pkp_control.planned_path import GuideConfig

FARTHEST = 10.0


def _three(text: str) -> str:
    """Three numbers with blanks between, as URDF writes them; metres or radians."""
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(math.isfinite(n) and abs(n) <= FARTHEST for n in numbers):
        raise ValueError(f"three numbers from {-FARTHEST:g} to {FARTHEST:g} are needed")
    return text


def _place(text: str) -> str:
    return _three(text) if text else text


def _size(text: str) -> str:
    if min(float(word) for word in _three(text).split()) <= 0:
        raise ValueError("sides above 0 are needed")
    return text


class ArmConfig(BaseModel):
    """Lengths mm, angles rad unless named otherwise; ROS sees them as parameters of these names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: ArmModel = Field(ArmModel.UR5, description="row of the description")
    base_xyz: Annotated[str, AfterValidator(_place)] = Field(
        "", description="where the arm stands in the room, m; empty: the description's place"
    )
    base_rpy: Annotated[str, AfterValidator(_three)] = Field("0 0 0", description="how it is turned, rad")
    patient_xyz: Annotated[str, AfterValidator(_three)] = Field("0 0 0.10", description="middle of the patient's box, m")
    patient_size: Annotated[str, AfterValidator(_size)] = Field(
        "0.60 0.30 0.20",
        description="sides of the patient's box, m; so wide is a prone back level (assumed)",
    )
    patient_top_from_plan: bool = Field(True, description="the box's top is put to the skin on the path, where the plan knows it")
    skin_clearance_mm: float = Field(
        GuideConfig().skin_clearance_mm, ge=0, le=50, description="guide's mouth to the skin (assumed)"
    )
    unknown_skin_mm: float = Field(60.0, gt=0, le=250, description="skin to entry where the CT does not show it (assumed)")
    reach_mm: float = Field(160.0, gt=0, le=400, description="pin beyond the guide's mouth (assumed)")
    standoff_mm: float = Field(60.0, ge=10, le=200, description="where the straight way begins and a withdrawal ends (assumed)")
    line_mm_s: float = Field(20.0, gt=0, le=20, description="along the axis (assumed)")
    camera_angle_deg: float = Field(50.0, gt=0, lt=90, description="marker plate's face to the camera, at most (assumed)")
    seed: int = Field(20240229, ge=0, description="of the search for a free way")
    locate_samples: int = Field(30, ge=10, le=300, description="poses of each tool for a location: 0.5 s at 60 Hz (assumed)")
    wait_s: float = Field(10.0, gt=0, le=60, description="for the arm to stand and for poses, before it is given up (assumed)")
    arrive_s: float = Field(30.0, gt=0, le=120, description="for the straight way, following included (assumed)")
    start_deviation_mm: float = Field(
        15.0, gt=0, le=30, description="tool from its wanted place as following begins: patient moved since (assumed)"
    )
    settled_s: float = Field(0.3, gt=0, le=5, description="at the place before the goal counts as reached (assumed)")
    free_lag_rad: float = Field(0.01, gt=0, le=0.05, description="measured joints from the way just commanded (assumed)")
    registration_age_s: float = Field(1800.0, gt=0, le=7200, description="oldest registration that is followed (assumed)")
    joints_stale_s: float = Field(0.1, gt=0, le=0.5, description="oldest joint state (assumed)")
    pose_stale_s: float = Field(0.1, gt=0, le=0.5, description="oldest good pose of a tool: six frames at 60 Hz (assumed)")
    permit_s: float = Field(
        0.1, gt=0, le=0.5, description="silence of the supervisor that stops; longer only in simulation on a busy machine"
    )
    timeout_s: float = Field(300.0, gt=0, le=1800, description="of a goal that names none, and the most it may name")

    @property
    def guide(self) -> GuideConfig:
        """Where the guide's mouth stands."""
        return GuideConfig(skin_clearance_mm=self.skin_clearance_mm, unknown_skin_mm=self.unknown_skin_mm, reach_mm=self.reach_mm)

    @property
    def approach(self) -> ApproachConfig:
        """The way there."""
        return ApproachConfig(standoff_mm=self.standoff_mm, line_mm_s=self.line_mm_s)

    @property
    def compensation(self) -> CompensationConfig:
        """Following. The supervisor's own check of 60 s stands before every re-arm; here an age bounds the whole procedure."""
        return CompensationConfig(
            registration_age_s=self.registration_age_s, advance_mm_s=self.line_mm_s, stale_s=self.pose_stale_s
        )

    @property
    def description(self) -> dict[str, str]:
        """Arguments of the room's description."""
        placed = {"base_xyz": self.base_xyz} if self.base_xyz else {}
        return {**placed, "base_rpy": self.base_rpy, "patient_xyz": self.patient_xyz, "patient_size": self.patient_size}
