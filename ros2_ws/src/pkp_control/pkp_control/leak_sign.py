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
        flow_ml_s: the flow pressure has been let to settle to. blind_until_s: before this a fall says nothing.
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

    def look(
        self, at_s: float, pressure_kpa: float, flow_ml_s: float, compliance_ml_per_kpa: float, config: InjectionConfig
    ) -> LeakWatch:
        """The watch with one more sample; time that does not advance is not counted.

        After a reduction of flow the barrel empties into the cannula: pressure falls with the time C·dP/dQ = n·C·P/Q
        (n ≤ 1, power law), long where cement is thick and flow small.
        """
        weight = 1 - math.exp(-max(0.0, at_s - self.at_s) / config.leak_average_s)
        mean = self.mean_kpa + weight * (pressure_kpa - self.mean_kpa)
        blind, flow = self.blind_until_s, max(self.flow_ml_s, flow_ml_s)
        if flow_ml_s <= 0:
            blind = at_s + config.leak_blind_s
        elif flow_ml_s < 0.98 * flow:
            emptying = compliance_ml_per_kpa * max(mean, 0.0) / flow_ml_s
            blind, flow = at_s + max(config.leak_blind_s, config.leak_blind_times * emptying), flow_ml_s
        peak = mean if at_s < blind else max(self.peak_kpa, mean)
        return LeakWatch(at_s, mean, peak, flow, blind)

    def shows(self, config: InjectionConfig) -> bool:
        """Pressure has fallen as only a leak lets it."""
        return self.peak_kpa - self.mean_kpa > max(config.leak_kpa, config.leak_share * self.peak_kpa)
