"""Cement from the plunger through a yielding barrel and a narrow cannula into bone."""

from __future__ import annotations

import math

import attrs

AMBIENT_KPA = 101.325


@attrs.frozen
class Barrel:
    """What yields between plunger and cannula. compliance: ml/kPa; air: ml at ambient pressure."""

    compliance_ml_per_kpa: float
    air_ml: float

    def stored_ml(self, pressure_kpa: float) -> float:
        """Volume taken up at a gauge pressure ≥ 0: C·P plus air squeezed by Boyle's law."""
        return self.compliance_ml_per_kpa * pressure_kpa + self.air_ml * pressure_kpa / (pressure_kpa + AMBIENT_KPA)

    def slope(self, pressure_kpa: float) -> float:
        """Its derivative, ml/kPa."""
        return self.compliance_ml_per_kpa + self.air_ml * AMBIENT_KPA / (pressure_kpa + AMBIENT_KPA) ** 2


@attrs.frozen
class Path:
    """The way out at this moment: P = rest + resistance·Qⁿ. resistance: kPa·(ml/s)⁻ⁿ; inf when shut."""

    resistance: float
    rest_kpa: float
    flow_index: float

    def flow(self, pressure_kpa: float) -> float:
        """ml/s at a barrel pressure."""
        if pressure_kpa <= self.rest_kpa or math.isinf(self.resistance):
            return 0.0
        return ((pressure_kpa - self.rest_kpa) / self.resistance) ** (1 / self.flow_index)


def cannula_resistance(length_mm: float, bore_mm: float, consistency: float, flow_index: float) -> float:
    """Pressure lost per flowⁿ, kPa·(ml/s)⁻ⁿ, for laminar flow of a power-law fluid in a tube.

    ΔP = (2L/R)·K·[(3n+1)/n · Q/(πR³)]ⁿ (Rabinowitsch); n = 1 is Hagen–Poiseuille's 8ηLQ/(πR⁴).

    Args:
        consistency: K, Pa·sⁿ.
    """
    radius = bore_mm / 2
    wall_shear = (3 * flow_index + 1) / flow_index * 1000.0 / (math.pi * radius**3)  # 1/s at 1 ml/s
    return 2 * length_mm / radius * consistency * wall_shear**flow_index / 1000.0


def advance(pressure_kpa: float, pushed_ml: float, barrel: Barrel, path: Path, dt_s: float) -> tuple[float, float]:
    """One step of dS/dt = pushed − out, backward Euler, so that thin cement does not ring.

    Args:
        pushed_ml: displaced by the plunger during the step, ≥ 0.

    Returns:
        Barrel pressure (kPa) after the step and volume (ml) that left; the volumes balance exactly.
    """
    held = barrel.stored_ml(pressure_kpa) + pushed_ml

    def surplus(p: float) -> float:
        return barrel.stored_ml(p) + dt_s * path.flow(p) - held

    low, high = 0.0, max(pressure_kpa, 1.0)
    while surplus(high) < 0:
        low, high = high, 2 * high + 10
    p = min(max(pressure_kpa, low), high)
    for _ in range(60):
        excess = surplus(p)
        if abs(excess) < 1e-10:
            break
        low, high = (p, high) if excess < 0 else (low, p)
        drive = max(p - path.rest_kpa, 1e-9)
        step = excess / (barrel.slope(p) + dt_s * path.flow(p) / (path.flow_index * drive))
        p = p - step if low < p - step < high else (low + high) / 2
    return p, max(0.0, held - barrel.stored_ml(p))
