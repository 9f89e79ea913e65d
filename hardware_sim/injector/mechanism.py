"""The injector's iron: motor, plunger, valve, gauges, and what can go wrong with them."""

from __future__ import annotations

import math

import attrs
import numpy as np

from hardware_sim.injector.hydraulics import Barrel, Path, advance, cannula_resistance
from hardware_sim.injector.spec import InjectorSpec, make
from planning_core.cement.curing import CURING, CementClock, consistency


@attrs.frozen
class Troubles:
    """What is wrong at the moment.

    Args:
        blocked: cannula plugged. leak: cement found a way out of the bone. stuck: plunger does not follow its motor.
        volume_gain: counted over moved (0 frozen). volume_drift_ml_s: counter running by itself.
        gauge_kpa: added to the pressure reading. air_ml: more air in the barrel.
    """

    blocked: bool = False
    leak: bool = False
    stuck: bool = False
    volume_gain: float = 1.0
    volume_drift_ml_s: float = 0.0
    gauge_kpa: float = 0.0
    air_ml: float = 0.0


@attrs.frozen
class Sensed:
    """What the gauges say, not what is: counter (ml), pressure (kPa), temperature (°C)."""

    displaced_ml: float
    pressure_kpa: float
    temperature_c: float


@attrs.frozen
class Truth:
    """What is; for tests only. Volumes ml, pressures kPa, flow ml/s, age in reference seconds."""

    time_s: float
    pushed_ml: float
    delivered_ml: float
    leaked_ml: float
    pressure_kpa: float
    intravertebral_kpa: float
    out_ml_s: float
    plunger_ml_s: float
    valve_open: bool
    cement_age_s: float
    consistency_pa_s: float


class Mechanism:
    """Moves on by ``step``; everything random comes from the seed."""

    def __init__(self, spec: InjectorSpec, seed: int, pressure_kpa: float = 0.0, delivered_ml: float = 0.0) -> None:
        self.spec = spec
        self._rng = np.random.default_rng(seed)
        self.made = make(spec, self._rng)
        self.troubles = Troubles()
        self.time_s = 0.0
        self.load(spec.cement_class, spec.mixed_ago_s)
        self.motor_ml = 0.0
        self._counted_ml = 0.0
        self._pushed_ml = 0.0
        self._rate = 0.0
        self._out = 0.0
        self._open_for = 0.0
        self.pressure_kpa, self.delivered_ml, self._leaked_ml = pressure_kpa, delivered_ml, 0.0
        self._bone_kpa = spec.marrow_kpa

    def load(self, cement_class: str, mixed_ago_s: float) -> None:
        """A batch of cement of another class or age."""
        clock = CementClock.start(self.time_s - mixed_ago_s, CURING[cement_class])
        self._cement = clock.look(self.time_s, self.spec.temperature_c)

    def step(self, wanted_ml_s: float, valve: bool, dt_s: float) -> Sensed:
        """Run the motor towards a rate (≥ 0) and the valve towards open or shut for ``dt_s``; read the gauges."""
        spec, troubles = self.spec, self.troubles
        self.time_s += dt_s
        self._cement = self._cement.look(self.time_s, spec.temperature_c)
        swing = (spec.accelerate_ml_s2 if wanted_ml_s > self._rate else spec.brake_ml_s2) * dt_s
        self._rate += max(-swing, min(swing, wanted_ml_s - self._rate))
        moved = self._rate * dt_s
        self.motor_ml += moved
        if troubles.stuck:
            moved = 0.0
        self._counted_ml += moved * troubles.volume_gain + troubles.volume_drift_ml_s * dt_s
        pushed = moved * self.made.bore_gain
        self._pushed_ml += pushed
        self._open_for = spec.valve_s if valve else max(0.0, self._open_for - dt_s)
        path, bone_share = self._path(valve or self._open_for > 0)
        barrel = Barrel(self.made.compliance_ml_per_kpa, self.made.air_ml + troubles.air_ml)
        self.pressure_kpa, left = advance(self.pressure_kpa, pushed, barrel, path, dt_s)
        self._out = left / dt_s
        self.delivered_ml += left
        self._leaked_ml += 0.5 * left if troubles.leak else 0.0
        self._bone_kpa = path.rest_kpa + bone_share * max(0.0, self.pressure_kpa - path.rest_kpa) * (left > 0)
        noise = self._rng.normal(0, spec.pressure_noise_kpa) + self.made.pressure_offset_kpa + troubles.gauge_kpa
        return Sensed(self._counted_ml, self.pressure_kpa + noise, spec.temperature_c + self._rng.normal(0, 0.05))

    def _path(self, is_open: bool) -> tuple[Path, float]:
        """The way out, and which share of the pressure above rest falls in the bone."""
        spec, n = self.spec, self._cement.config.flow_index
        rest = 0.0 if self.troubles.leak else spec.marrow_kpa
        thickness = consistency(self._cement.age_s, self._cement.config)
        cannula = cannula_resistance(spec.cannula_length_mm, spec.cannula_bore_mm, thickness, n) * self.made.cannula_gain
        fill = 0.5 + 0.5 * self.delivered_ml / spec.bone_fill_ml
        bone = cannula * spec.bone_share / (1 - spec.bone_share) * fill * (0.1 if self.troubles.leak else 1.0)
        if not is_open or self.troubles.blocked or self._cement.age_s >= self._cement.config.sets_s:
            return Path(math.inf, rest, n), 0.0
        return Path(cannula + bone, rest, n), bone / (cannula + bone)

    @property
    def resting(self) -> bool:
        """Motor at a standstill."""
        return self._rate == 0.0

    @property
    def truth(self) -> Truth:
        """What is, for tests only."""
        return Truth(
            self.time_s,
            self._pushed_ml,
            self.delivered_ml,
            self._leaked_ml,
            self.pressure_kpa,
            self._bone_kpa,
            self._out,
            0.0 if self.troubles.stuck else self._rate,
            self._open_for > 0,
            self._cement.age_s,
            consistency(self._cement.age_s, self._cement.config),
        )
