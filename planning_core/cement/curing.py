"""The cement's clock: how old it is, how thick it has become, and how long it may still be injected."""

from __future__ import annotations

import math

import attrs
from pydantic import BaseModel, ConfigDict, Field, model_validator

from planning_core.errors import InputError


class CuringInputError(InputError):
    """An age, temperature or shear rate that no cement can have. Carries the offending number."""

    code = "curing_input"


class ClockStepError(InputError):
    """Time ran backwards or jumped between two looks at the cement. Carries ``before_s``, ``now_s``."""

    code = "clock_step"


class CuringConfig(BaseModel):
    """Curing of one viscosity class at the reference temperature; ages count from the start of mixing.

    Defaults are those of the high class. ``source`` says which of the numbers were measured and by whom.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    opens_s: float = Field(195.0, ge=0, description="thick enough to inject")
    closes_s: float = Field(600.0, gt=0, description="no cement is moved after this")
    sets_s: float = Field(780.0, gt=0, description="set")
    initial_pa_s: float = Field(300.0, gt=0, description="viscosity at 1/s when mixed")
    opening_pa_s: float = Field(500.0, gt=0, description="viscosity at 1/s when the window opens")
    set_pa_s: float = Field(75e3, gt=0, description="viscosity at 1/s when set (Nicholas 2007: all cements reach 75 kPa s)")
    second_phase_power: float = Field(6.0, ge=2, description="assumed: how late polymerisation overtakes swelling")
    flow_index: float = Field(0.4, gt=0, le=1, description="assumed: power-law index n, 1 is Newtonian")
    reference_c: float = Field(22.0, ge=10, le=30, description="assumed: theatre temperature the ages are stated at")
    doubling_c: float = Field(
        12.0, gt=0, description="curing times halve from 25 to 37 °C (Nicholas 2007, doi 10.1007/s10856-007-0125-2)"
    )
    source: str = (
        "500 Pa s no earlier than 3:15 after mixing and setting at 13 min: US 7968616; end of working time 10 min: "
        "assumed, upper end of the usual 6–10 min; initial viscosity assumed"
    )

    @model_validator(mode="after")
    def _in_order(self) -> CuringConfig:
        if not self.opens_s < self.closes_s < self.sets_s:
            raise ValueError(f"opens {self.opens_s}, closes {self.closes_s}, sets {self.sets_s} s must be in that order")
        if not self.initial_pa_s <= self.opening_pa_s < self.set_pa_s:
            raise ValueError("viscosity must rise from initial over opening to set")
        if self.second_phase[1] < 0:
            raise ValueError(f"{self.opening_pa_s} Pa s at opening is too thick for cement that sets at {self.sets_s} s")
        return self

    @property
    def second_phase(self) -> tuple[float, float]:
        """Weights of the first (swelling) and second (polymerisation) phase of ln viscosity over age / ``sets_s``."""
        s = self.opens_s / self.sets_s
        to_opening, to_set = math.log(self.opening_pa_s / self.initial_pa_s), math.log(self.set_pa_s / self.initial_pa_s)
        m = self.second_phase_power
        first = (to_opening - to_set * s**m) / (s - s**m) if s > 0 else 0.0
        return first, to_set - first


CURING: dict[str, CuringConfig] = {
    "high": CuringConfig(),
    "medium": CuringConfig(
        opens_s=60,
        closes_s=600,
        sets_s=840,
        initial_pa_s=100,
        opening_pa_s=120,
        source="injectable with no waiting time after mixing: Boger 2011 (ISRN Mater Sci 780510); all else assumed",
    ),
    "low": CuringConfig(
        opens_s=210,
        closes_s=630,
        sets_s=900,
        initial_pa_s=15,
        opening_pa_s=50,
        source="injected at 3.5, 6.5 and 9.5 min after mixing: Habib 2010 (10.1016/j.esas.2010.01.001); all else assumed",
    ),
}


@attrs.frozen
class WorkingWindow:
    """When cement of one class at one temperature may be injected, s after the start of mixing."""

    opens_s: float
    closes_s: float
    sets_s: float


def curing_speed(temperature_c: float, config: CuringConfig) -> float:
    """How many reference seconds cement ages in one second at a temperature (dimensionless, 1 at the reference).

    Raises:
        CuringInputError: not a temperature cement is handled at (0–60 °C), or not a number.
    """
    if not 0 <= temperature_c <= 60:
        raise CuringInputError(f"cement at {temperature_c} °C: only 0–60 °C is known", temperature_c=temperature_c)
    return float(2.0 ** ((temperature_c - config.reference_c) / config.doubling_c))


def working_window(temperature_c: float, config: CuringConfig) -> WorkingWindow:
    """The window of cement kept at a constant temperature from mixing on."""
    speed = curing_speed(temperature_c, config)
    return WorkingWindow(config.opens_s / speed, config.closes_s / speed, config.sets_s / speed)


def consistency(age_s: float, config: CuringConfig) -> float:
    """Power-law consistency K, Pa·sⁿ: viscosity at a shear rate of 1/s, by equivalent age in reference seconds.

    Two phases, swelling then polymerisation, as measured by Trivedi 2023 (arXiv 2312.11426); the form
    ln K = ln K₀ + a·s + b·sᵐ with s = age / setting time is assumed and passes through the configured points.

    Raises:
        CuringInputError: negative age, or not a number.
    """
    if not age_s >= 0:
        raise CuringInputError(f"cement of age {age_s} s", age_s=age_s)
    s = min(age_s / config.sets_s, 1.0)
    first, second = config.second_phase
    return config.initial_pa_s * math.exp(first * s + second * s**config.second_phase_power)


def viscosity(age_s: float, shear_per_s: float, config: CuringConfig) -> float:
    """Apparent viscosity, Pa·s: K·γⁿ⁻¹ (power law, thinner when sheared faster).

    Args:
        age_s: equivalent age in reference seconds (see ``CementClock``).
        shear_per_s: shear rate, 1/s, above zero.

    Raises:
        CuringInputError: negative age, shear rate not above zero, or not a number.
    """
    if not 0 < shear_per_s < math.inf:
        raise CuringInputError(f"shear rate {shear_per_s} 1/s", shear_per_s=shear_per_s)
    return float(consistency(age_s, config) * shear_per_s ** (config.flow_index - 1))


@attrs.frozen
class CementClock:
    """Age of one mixed batch, told in seconds at the reference temperature; warmer cement ages faster.

    Args:
        mixed_s: start of mixing on the caller's monotonic clock.
        seen_s: last look, on the same clock. age_s: equivalent age at that look.
    """

    mixed_s: float
    seen_s: float
    age_s: float
    config: CuringConfig

    @classmethod
    def start(cls, mixed_s: float, config: CuringConfig) -> CementClock:
        """A batch whose mixing begins at ``mixed_s``."""
        return cls(mixed_s, mixed_s, 0.0, config)

    def look(self, now_s: float, temperature_c: float) -> CementClock:
        """The clock advanced to now, the cement having been at that temperature since the last look.

        Raises:
            ClockStepError: now is before the last look, or not a number.
            CuringInputError: temperature outside what is known.
        """
        if not self.seen_s <= now_s < math.inf:
            raise ClockStepError(f"clock went from {self.seen_s} to {now_s} s", before_s=self.seen_s, now_s=now_s)
        aged = self.age_s + (now_s - self.seen_s) * curing_speed(temperature_c, self.config)
        return attrs.evolve(self, seen_s=now_s, age_s=aged)

    @property
    def too_early(self) -> bool:
        """Not yet thick enough to inject."""
        return self.age_s < self.config.opens_s

    @property
    def too_late(self) -> bool:
        """Working time is over."""
        return self.age_s >= self.config.closes_s

    def left_s(self, temperature_c: float) -> float:
        """Seconds until working time ends if the cement stays at a temperature; 0 when over."""
        return max(0.0, self.config.closes_s - self.age_s) / curing_speed(temperature_c, self.config)
