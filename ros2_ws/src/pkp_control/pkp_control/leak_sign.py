"""The sign of a leak: at a flow that is not reduced pressure must not fall, for cement only thickens and bone only fills."""

from __future__ import annotations

import math

import attrs

from pkp_control.injection_config import InjectionConfig


@attrs.frozen
class LeakWatch:
    """Running look at pressure; times in device seconds, pressures kPa.

    Args:
        mean_kpa: pressure averaged. peak_kpa: the highest average since flow was last reduced.
        flow_ml_s: commanded last. blind_until_s: before this a fall says nothing.
    """

    at_s: float
    mean_kpa: float
    peak_kpa: float
    flow_ml_s: float
    blind_until_s: float

    @classmethod
    def start(cls, at_s: float, pressure_kpa: float, config: InjectionConfig) -> LeakWatch:
        """Begin, blind until pressure has had time to follow."""
        return cls(at_s, pressure_kpa, pressure_kpa, 0.0, at_s + config.leak_blind_s)

    def look(self, at_s: float, pressure_kpa: float, flow_ml_s: float, config: InjectionConfig) -> LeakWatch:
        """The watch with one more sample; time that does not advance is not counted."""
        weight = 1 - math.exp(-max(0.0, at_s - self.at_s) / config.leak_average_s)
        mean = self.mean_kpa + weight * (pressure_kpa - self.mean_kpa)
        blind = self.blind_until_s
        if flow_ml_s < 0.98 * self.flow_ml_s or flow_ml_s == 0:
            blind = at_s + config.leak_blind_s
        peak = mean if at_s < blind else max(self.peak_kpa, mean)
        return LeakWatch(at_s, mean, peak, flow_ml_s, blind)

    def shows(self, config: InjectionConfig) -> bool:
        """Pressure has fallen as only a leak lets it."""
        return self.peak_kpa - self.mean_kpa > max(config.leak_kpa, config.leak_share * self.peak_kpa)
