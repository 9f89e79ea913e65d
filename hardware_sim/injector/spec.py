"""Every number the simulated injector is made of, and how one made device differs from the drawing."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class InjectorSpec(BaseModel):
    """The device as drawn, the tolerances it is made with, and the bone at the end of its cannula."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cartridge_ml: float = Field(20.0, gt=0, le=60, description="assumed")
    compliance_ml_per_kpa: float = Field(5e-5, gt=0, le=5e-4, description="assumed: barrel and line give 0.05 ml at 1 MPa")
    accelerate_ml_s2: float = Field(0.5, gt=0, description="assumed")
    brake_ml_s2: float = Field(5.0, gt=0, description="assumed: at rest from 0.07 ml/s within 15 ms")
    valve_s: float = Field(0.02, ge=0, description="assumed: the spring-closed valve before the cannula shuts within this")
    stall_s: float = Field(0.3, gt=0, description="assumed: longest time the plunger may stay behind its motor")
    stall_ml: float = Field(0.005, gt=0, description="assumed: distance behind the motor that counts as staying behind")
    cannula_length_mm: float = Field(150.0, gt=0, description="assumed")
    cannula_bore_mm: float = Field(2.4, gt=0, description="assumed: bore of an 11-gauge bone filler")
    bone_share: float = Field(
        0.05, gt=0, lt=1, description="share of the pressure that reaches the bone (Baroud & Steffen 2005: ~95 % lost in cannula)"
    )
    bone_fill_ml: float = Field(3.0, gt=0, description="assumed: fill at which the bone resists with that share")
    marrow_kpa: float = Field(4.0, ge=0, description="assumed: resting pressure in the vertebra (about 30 mmHg)")
    temperature_c: float = Field(22.0, ge=5, le=40, description="of the barrel")
    cement_class: Literal["high", "medium", "low"] = "high"
    mixed_ago_s: float = Field(240.0, ge=0, description="age of the cement at the start of the simulation")
    air_ml: float = Field(0.01, ge=0, description="assumed: mean air left in the barrel after purging")
    pressure_noise_kpa: float = Field(2.0, ge=0, description="assumed, one sigma of a sample")
    pressure_offset_kpa: float = Field(3.0, ge=0, description="assumed, one sigma between devices")
    bore_error: float = Field(0.003, ge=0, description="assumed, one sigma of plunger area between devices")
    compliance_error: float = Field(0.10, ge=0, description="assumed, one sigma of calibrated against true compliance")


@attrs.frozen
class MadeDevice:
    """One device of the series, drawn by its seed: what it is, against what it says of itself.

    Args:
        bore_gain: cement pushed over cement counted. compliance_ml_per_kpa: true. air_ml: in the barrel.
        pressure_offset_kpa: of its gauge. cannula_gain: true resistance over that of the drawing.
    """

    bore_gain: float
    compliance_ml_per_kpa: float
    air_ml: float
    pressure_offset_kpa: float
    cannula_gain: float


def make(spec: InjectorSpec, rng: np.random.Generator) -> MadeDevice:
    """Draw a device."""
    return MadeDevice(
        bore_gain=float(1 + np.clip(rng.normal(0, spec.bore_error), -0.01, 0.01)),
        compliance_ml_per_kpa=float(spec.compliance_ml_per_kpa * (1 + np.clip(rng.normal(0, spec.compliance_error), -0.3, 0.3))),
        air_ml=float(rng.uniform(0, 2 * spec.air_ml)),
        pressure_offset_kpa=float(rng.normal(0, spec.pressure_offset_kpa)),
        cannula_gain=float(rng.uniform(0.9, 1.1)),
    )
