"""How a patient who lies still moves: breathing, a shift, a cough. Seeded; a function of time alone.

Breathing follows cos^2n with a cycle that varies from breath to breath (Lujan et al., Med Phys 1999;26:715–720, n = 1–3).
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial.transform import Rotation

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray

BREATHS = 400


class PatientMotionConfig(BaseModel):
    """Axes are the world's: x to the head, y to the patient's left (prone), z up. All amplitudes assumed unless cited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    breathing_mm: float = Field(5.0, ge=0, le=20.0, description="lowest to highest")
    breathing_hz: float = Field(0.25, gt=0, description="15 breaths a minute")
    breathing_power: int = Field(1, ge=1, le=3, description="n of cos^2n (Lujan 1999); 1 is a sine")
    breathing_spread: float = Field(0.05, ge=0, le=0.3, description="one sigma of a breath's length and depth, as a share")
    breathing_way: tuple[float, float, float] = Field(
        (0.35, 0.05, 0.93), description="direction, mostly up and a little to the head"
    )
    breathing_tilt_deg: float = Field(0.2, ge=0, description="turn about y with each full breath")
    shift_s: float | None = Field(None, description="when the patient shifts; None for never")
    shift_mm: tuple[float, float, float] = Field((1.0, 2.0, 0.5), description="by how much, for good")
    shift_takes_s: float = Field(1.0, gt=0, description="over which time")
    cough_s: float | None = Field(None, description="when the patient coughs; None for never")
    cough_mm: float = Field(8.0, ge=0, description="peak of the first of three thrusts, upwards")
    cough_thrust_s: float = Field(0.25, gt=0, description="one thrust")


def eased(share: float) -> float:
    """From 0 to 1 as ``share`` does, with rest at both ends."""
    share = min(1.0, max(0.0, share))
    return share**3 * (10 - 15 * share + 6 * share**2)


def cough_mm(since_s: float, peak_mm: float, thrust_s: float) -> float:
    """Height of three ever weaker thrusts, the first begun ``since_s`` ago."""
    thrust, within = divmod(since_s / thrust_s, 1.0)
    return float(peak_mm * 0.7**thrust * np.sin(np.pi * within) ** 2) if 0 <= thrust < 3 else 0.0


class PatientMotion:
    """``displacement(t)`` moves every point of the patient, in the world's frame, about the world's origin."""

    def __init__(self, config: PatientMotionConfig, seed: int) -> None:
        self.config = config
        draw = np.random.default_rng([seed, 73])
        spread = np.clip(1 + draw.normal(size=(2, BREATHS)) * config.breathing_spread, 0.5, 1.5)
        self._starts: FloatArray = np.concatenate([[0.0], np.cumsum(spread[0] / config.breathing_hz)])
        self._starts -= draw.uniform(0, self._starts[1])
        self._depths: FloatArray = np.minimum(spread[1], 1.0) if config.breathing_spread else np.ones(BREATHS)
        way = np.asarray(config.breathing_way)
        self._way: FloatArray = way / np.linalg.norm(way)

    def displacement(self, time_s: float, breathing_s: float | None = None) -> RigidTransform:
        """``T_world_world``: where a point that was at p at rest is at ``time_s`` (mm).

        Args:
            breathing_s: the time by the patient's breath where that stood still for a while; as ``time_s`` without.
        """
        config = self.config
        breath = self._breath(time_s if breathing_s is None else breathing_s)
        moved = self._way * breath * config.breathing_mm
        if config.shift_s is not None:
            moved = moved + np.asarray(config.shift_mm) * eased((time_s - config.shift_s) / config.shift_takes_s)
        if config.cough_s is not None:
            moved = moved + [0.0, 0.0, cough_mm(time_s - config.cough_s, config.cough_mm, config.cough_thrust_s)]
        turn = Rotation.from_rotvec([0.0, np.deg2rad(config.breathing_tilt_deg) * breath, 0.0]).as_matrix()
        return RigidTransform.from_parts("world", "world", turn, moved)

    def until_breathed_out(self, breathing_s: float) -> float:
        """Seconds from there to the end of that breath."""
        later = self._starts[np.searchsorted(self._starts, breathing_s) :]
        return float(later[0] - breathing_s) if len(later) else 0.0

    def _breath(self, time_s: float) -> float:
        """0 at the end of breathing out, 1 at the top of a full breath."""
        number = int(np.clip(np.searchsorted(self._starts, time_s, side="right") - 1, 0, BREATHS - 1))
        start, end = self._starts[number], self._starts[number + 1]
        phase = (time_s - start) / (end - start)
        return float(self._depths[number] * np.sin(np.pi * phase) ** (2 * self.config.breathing_power))
