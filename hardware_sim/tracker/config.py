"""Every number of the simulated camera, with its source."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class VolumeConfig(BaseModel):
    """The pyramid in which markers are measured, in the tracker frame: z points away from the scene, depth is −z."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near_mm: float = Field(950.0, gt=0, description="depth of the near face (Polaris Spectra pyramid volume, not looked up)")
    far_mm: float = Field(2400.0, gt=0, description="depth of the far face (same source)")
    near_half_mm: tuple[float, float] = Field((224.0, 240.0), description="half extent in x and y at the near face (same)")
    far_half_mm: tuple[float, float] = Field((656.0, 783.0), description="half extent in x and y at the far face (same)")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.far_mm <= self.near_mm:
            raise ValueError(f"far face at {self.far_mm:g} mm is not behind the near face at {self.near_mm:g} mm")
        return self


class CameraConfig(BaseModel):
    """The simulated camera; the default is a Polaris Spectra at 60 Hz with 0.25 mm RMS per marker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("Polaris Spectra (simulated)", max_length=40, description="answered to VER")
    frame_rate_hz: float = Field(60.0, gt=0, le=400, description="Polaris Spectra and Vega ST (FACTS 1)")
    latency_ms: float = Field(14.2, ge=0, le=100, description="exposure to data ready, mean (doi 10.1186/s13014-021-01804-7)")
    latency_sd_ms: float = Field(1.8, ge=0, le=20, description="its standard deviation (same source)")
    jitter_lateral_mm: float = Field(
        0.04, ge=0, description="one sigma per marker and frame along x and y at the reference depth (assumed; static RMSE "
        "of a Vega tool is 0.045 mm, doi 10.1186/s13014-021-01804-7)"
    )  # fmt: skip
    depth_ratio: float = Field(
        3.0,
        ge=1,
        description="depth sigma over lateral sigma (assumed; usual for stereo heads, bounded by 2·depth/baseline)",
    )
    reference_depth_mm: float = Field(
        1500.0, gt=0, description="jitter grows with depth (lateral) and depth² (along z) from here: triangulation"
    )
    bias_rms_mm: float = Field(
        0.21, ge=0, description="RMS of the smooth systematic error over the volume; with the jitter 0.25 mm RMS per marker, "
        "the acceptance limit of the Spectra and Vicra class (FACTS 1)"
    )  # fmt: skip
    bias_wavelength_mm: float = Field(2000.0, gt=0, description="over which the systematic error varies (assumed)")
    dropout_probability: float = Field(0.0, ge=0, le=1, description="chance that one tool is lost in one frame (assumed: none)")
    stray_probability: float = Field(0.0, ge=0, le=1, description="chance of one stray marker in a frame (assumed: none)")
    volume: VolumeConfig = Field(default_factory=VolumeConfig)


def spectra() -> CameraConfig:
    """0.25 mm RMS per marker at 60 Hz (the default)."""
    return CameraConfig()


def vega() -> CameraConfig:
    """0.12 mm RMS per marker at 60 Hz (Polaris Vega ST, FACTS 1)."""
    return CameraConfig(model="Polaris Vega ST (simulated)", jitter_lateral_mm=0.02, bias_rms_mm=0.10)


CAMERAS = {"spectra": spectra, "vega": vega}
