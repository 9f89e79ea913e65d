"""Limits and noise of the compensation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

AHEAD_S = 0.005
"""What came while a thread was held up between reading the clock and the messages is stamped so little ahead."""


class CompensationConfig(BaseModel):
    """Limits and noise of the compensation. Lengths mm, angles rad unless named otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    point_noise_mm: float = Field(
        0.2, gt=0, description="per axis, of a pose at the path: 0.25 mm RMS (Polaris Vicra) times the lever"
    )
    turn_noise_rad: float = Field(0.004, gt=0, description="per axis: that over a plate of 50 mm")
    patient_mm_s2: float = Field(
        15.0, gt=0, description="one sigma of the patient's acceleration; 5 mm at 0.25 Hz has a peak of 6"
    )
    patient_rad_s2: float = Field(0.01, gt=0, description="the same for its turning")
    drift_mm_per_mm: float = Field(0.01, ge=0, description="assumed, how fast the arm's error changes along its way")
    drift_mm_per_s: float = Field(0.02, ge=0, description="assumed, how fast it changes at rest (tracker and arm warm up)")
    actuation_lag_s: float = Field(
        0.018, ge=0, le=0.2, description="setpoint to motion: one period and the servo's lag; measured"
    )
    pursuit_per_s: float = Field(
        20.0, gt=0, le=60, description="assumed: share of the distance to the goal covered in a second, 3 Hz"
    )
    stale_s: float = Field(0.10, gt=0, description="no good pose of a tool for so long pauses; six frames at 60 Hz")
    lost_frames: int = Field(3, ge=1, description="frames in a row without a tool that pause")
    frozen_frames: int = Field(3, ge=2, description="poses in a row equal to the last bit: no tracker measures so")
    jump_mm: float = Field(3.0, gt=0, description="a pose this far from where it is expected is set aside …")
    jump_frames: int = Field(3, ge=1, description="… and so many in a row pause")
    travel_mm: float = Field(12.0, gt=0, description="patient against where it was when enabled")
    travel_deg: float = Field(3.0, gt=0, description="the same, turned")
    patient_speed_mm_s: float = Field(30.0, gt=0, description="faster is a cough or a push, not breathing (4 mm/s)")
    tool_error_mm: float = Field(10.0, gt=0, description="measured tip against the arm's own; more is a wrong calibration")
    tool_error_deg: float = Field(2.0, gt=0, description="the same, turned")
    arm_lag_rad: float = Field(
        0.0015, gt=0, description="a joint from all that was lately sent, over five periods: 1 mm at 0.7 m"
    )
    correction_rad: float = Field(0.35, gt=0, description="largest change of a joint from where following began")
    settle_samples: int = Field(60, ge=1, description="good poses of each tool before it may be enabled")
    registration_age_s: float = Field(60.0, gt=0, description="oldest registration check that re-arms")
    advance_mm_s: float = Field(10.0, gt=0, description="along the tool's axis")
    advance_mm_s2: float = Field(20.0, gt=0, description="along the tool's axis")
    advance_tolerance_mm: float = Field(1.5, gt=0, description="the tip advances only this near to its path")
