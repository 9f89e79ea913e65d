"""What a reading is compared with on the page: limits of pressure and flow, and the cement's window."""

from __future__ import annotations

from typing import Any

import attrs
from pkp_control.injection_config import InjectionConfig

from planning_core.case.plan import Plan
from planning_core.cement.curing import CURING
from planning_core.cement.products import PRODUCTS

ML_MIN = 60.0


@attrs.frozen
class Limits:
    """kPa, ml/min, s since mixing began at the reference temperature."""

    ease_kpa: float
    stop_kpa: float
    device_kpa: float
    flow_ml_min: float
    opens_s: float
    closes_s: float
    sets_s: float
    product: str

    def shown(self) -> dict[str, Any]:
        """For the page."""
        return attrs.asdict(self)


def limits_of(plan: Plan | None) -> Limits:
    """Of the injector's configuration as shipped, and of the plan's cement (of the high class where there is none)."""
    config, product = InjectionConfig(), "" if plan is None else plan.product
    known = PRODUCTS.get(product)
    curing = CURING["high" if known is None else known.viscosity]
    return Limits(
        config.ease_kpa,
        config.pressure_stop_kpa,
        config.device_pressure_kpa,
        config.flow_ml_s * ML_MIN,
        curing.opens_s,
        curing.closes_s,
        curing.sets_s,
        product,
    )
