"""Every number of the injection that is policy."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field, model_validator

from planning_core.errors import InputError


class InjectionConfig(BaseModel):
    """How cement is given and when giving it ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow_ml_s: float = Field(0.06, gt=0, le=0.2, description="bench flow 4 cc/min, slow 0.05 ml/s (FACTS 2)")
    start_flow_ml_s: float = Field(0.02, gt=0, le=0.2, description="assumed: first cement is pushed slowly")
    start_ml: float = Field(0.3, gt=0, description="assumed: over this volume flow rises to full")
    taper: tuple[tuple[float, float], ...] = Field(
        ((0.30, 0.5), (0.08, 0.25)), description="assumed: from so many ml before the end, this share of full flow"
    )
    cycle_s: float = Field(0.02, gt=0, le=0.05, description="period of the control loop")
    last_ml: float = Field(0.0008, gt=0, description="assumed: the plunger rests when no more than this is left")
    share_tolerance: float = Field(0.02, gt=0, description="required accuracy of delivered volume")
    least_tolerance_ml: float = Field(0.05, gt=0, description="required accuracy of small volumes")
    settled_share: float = Field(0.2, gt=0, lt=1, description="assumed: after-flow is over within this share of the tolerance")
    settle_limit_s: float = Field(30.0, gt=0, description="assumed: longest wait for after-flow")
    largest_order_ml: float = Field(8.0, gt=0, description="assumed: more than any level takes (4–6 ml, FACTS 2)")
    ease_kpa: float = Field(2200.0, gt=0, description="assumed: above this flow is reduced; mean peak in vivo 1693 (FACTS 2)")
    pressure_stop_kpa: float = Field(2900.0, gt=0, description="assumed: at this the controller stops")
    device_pressure_kpa: float = Field(3200.0, gt=0, description="the device's own limit; highest in vivo 3215 (FACTS 2)")
    blocked_flow_ml_s: float = Field(0.004, gt=0, description="assumed: eased below this the way is blocked")
    blocked_s: float = Field(3.0, gt=0, description="assumed: for so long")
    leak_kpa: float = Field(4.0, gt=0, description="assumed: least fall at steady flow that is a leak's sign; noise is 0.4")
    leak_share: float = Field(
        0.02, gt=0, lt=1, description="assumed, of the pressure: a leak frees what falls in bone, 5 % of it (Baroud & Steffen)"
    )
    leak_average_s: float = Field(0.3, gt=0, description="assumed: pressure is averaged over this")
    leak_blind_s: float = Field(3.0, gt=0, description="assumed: least time for which pressure falls without a leak")
    leak_blind_times: float = Field(2.0, gt=0, description="assumed: or so many times the barrel's C·P/Q (5 time constants)")
    mismatch_ml: float = Field(0.05, gt=0, description="assumed: counted may differ from commanded volume by this")
    mismatch_share: float = Field(0.03, gt=0, lt=1, description="assumed: and by this share of it")
    idle_creep_ml: float = Field(0.02, gt=0, description="assumed: the counter may creep this far at rest, either way")
    blind_s: float = Field(0.1, gt=0, le=0.5, description="without a good reading for this long it stops")
    hold_limit_s: float = Field(30.0, gt=0, description="assumed: longest pause of the switch before it counts as a stop")
    watchdog_s: float = Field(0.2, ge=0.05, le=1, description="assumed: device stops by itself after this silence")

    @model_validator(mode="after")
    def _in_order(self) -> InjectionConfig:
        if not self.ease_kpa < self.pressure_stop_kpa <= self.device_pressure_kpa:
            raise ValueError("ease_kpa < pressure_stop_kpa ≤ device_pressure_kpa")
        if self.start_flow_ml_s > self.flow_ml_s:
            raise ValueError(f"start_flow_ml_s {self.start_flow_ml_s} above flow_ml_s {self.flow_ml_s}")
        lefts = [left for left, _ in self.taper]
        if lefts != sorted(lefts, reverse=True) or any(left <= 0 or not 0 < share <= 1 for left, share in self.taper):
            raise ValueError(f"taper {self.taper} must come nearer the end with shares of 0–1")
        return self

    def tolerance_ml(self, planned_ml: float) -> float:
        """Required accuracy for a planned volume."""
        return max(self.least_tolerance_ml, self.share_tolerance * planned_ml)


LEAST_PRESSURE_KPA = 10.0
"""The device's own least pressure limit."""


class LimitRefusedError(InputError):
    """A limit of an order that leaves nothing to work with. Carries ``flow_ml_s`` and ``pressure_kpa``."""

    code = "limit_refused"


def limited(config: InjectionConfig, flow_ml_s: float, pressure_kpa: float) -> InjectionConfig:
    """The configuration under an order's own limits, which can only lower it; 0 names none.

    Raises:
        LimitRefusedError: no number, or less than cement flows under.
    """
    flows = flow_ml_s == 0 or config.blocked_flow_ml_s <= flow_ml_s < math.inf
    presses = pressure_kpa == 0 or LEAST_PRESSURE_KPA <= pressure_kpa < math.inf
    if not (flows and presses):
        raise LimitRefusedError(f"limits {flow_ml_s} ml/s, {pressure_kpa} kPa", flow_ml_s=flow_ml_s, pressure_kpa=pressure_kpa)
    flow = min(flow_ml_s or config.flow_ml_s, config.flow_ml_s)
    pressure = min(pressure_kpa or config.pressure_stop_kpa, config.pressure_stop_kpa)
    lowered = {
        "flow_ml_s": flow,
        "start_flow_ml_s": min(config.start_flow_ml_s, flow),
        "ease_kpa": config.ease_kpa * pressure / config.pressure_stop_kpa,
        "pressure_stop_kpa": pressure,
    }
    return InjectionConfig(**{**config.model_dump(), **lowered})
