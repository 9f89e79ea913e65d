"""How the simulated arm differs from the paper one."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ArmConfig(BaseModel):
    """One arm's faults of birth and its servo. Angles in radians unless the name says degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Literal["ur5", "ur5e", "ur10e"] = Field("ur5", description="row of geometry.NOMINAL")
    length_sd_mm: float = Field(
        0.4, ge=0, description="assumed, one sigma of each DH length: a factory calibration differs by 0.3–1 mm"
    )
    angle_sd_deg: float = Field(0.05, ge=0, description="assumed, one sigma of each DH angle: 95 % within 0.1°")
    tool_sd_mm: float = Field(0.05, ge=0, description="assumed, guide against marker plate, per axis")
    tool_sd_deg: float = Field(0.02, ge=0, description="assumed, guide against marker plate, per axis")
    mounting_sd_mm: float = Field(0.5, ge=0, description="assumed, guide and plate together on the flange, per axis")
    mounting_sd_deg: float = Field(0.2, ge=0, description="assumed, guide and plate together on the flange, per axis")
    backlash_rad: float = Field(5e-5, ge=0, description="half gap; 0.1 mm of repeatability at 850 mm (FACTS 1) is 1.2e-4 in all")
    encoder_sd_rad: float = Field(1e-5, ge=0, description="assumed")
    servo_hz: float = Field(500.0, gt=0, description="e-Series servo rate; CB3 is 125 Hz")
    command_period_s: float = Field(0.008, gt=0, description="125 Hz")
    lag_s: float = Field(0.010, gt=0, description="assumed time constant of the position servo")
    speed_rad_s: float = Field(3.14, gt=0, description="180°/s (UR5 manual 3.13); larger commands stop the arm")
    acceleration_rad_s2: float = Field(20.0, gt=0, description="assumed limit of the servo")
    jerk_rad_s3: float = Field(1000.0, gt=0, description="assumed: commands rougher than this stop the arm")
    jump_rad: float = Field(0.02, gt=0, description="assumed: a first command further from the joints stops the arm")
    stopping_rad_s2: float = Field(10.0, gt=0, description="full speed to rest in about 0.3 s (FACTS 1: 164–530 ms)")
    range_rad: tuple[float, float, float, float, float, float] = Field(
        (6.2832, 6.2832, 3.1416, 6.2832, 6.2832, 6.2832), description="± one turn, elbow half a turn"
    )
    restart_s: float = Field(3.0, gt=0, description="assumed: a restarted controller is deaf this long")
