"""Parameters of the injector's node: those of the controller, flat, and where the device and its record are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from pkp_control.injection_config import InjectionConfig

FLAT = {name: (field.annotation, field) for name, field in InjectionConfig.model_fields.items() if name != "taper"}
"""All of InjectionConfig but the one list of pairs, for which ROS has no parameter type."""


class _Bedside(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    port: str = Field(min_length=1, description="serial port of the injector")
    journal_folder: str = Field(min_length=1, description="where the record of what was given is kept, one folder a procedure")
    cement_class: Literal["high", "medium", "low"] = Field("high", description="viscosity class of the cement in the cartridge")
    timeout_s: float = Field(0.04, gt=0, le=0.5, description="assumed: longest wait for one answer of the device")
    oldest_s: float = Field(0.08, gt=0, le=0.5, description="assumed: older readings are refused")
    press_s: float = Field(0.25, gt=0, le=0.5, description="silence of the hold-to-run switch that is a release")
    permit_s: float = Field(
        0.1,
        gt=0,
        le=0.5,
        description="silence of the supervisor that stops; longer only in simulation on a busy machine",
    )
    arming_s: float = Field(2.0, gt=0, le=10, description="assumed: longest wait for the device to be armed")
    longest_s: float = Field(600.0, gt=0, le=3600, description="assumed: longest goal, and where it names no time")

    def injection(self) -> InjectionConfig:
        """The controller's numbers."""
        return InjectionConfig(**{name: getattr(self, name) for name in FLAT})

    @model_validator(mode="after")
    def _in_order(self) -> _Bedside:
        self.injection()
        return self


InjectorConfig = create_model("InjectorConfig", __base__=_Bedside, **FLAT)  # type: ignore[call-overload]
