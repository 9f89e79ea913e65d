"""What a simulated room is made from: one JSON file that every device of the room reads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from pydantic.types import PositiveFloat

from hardware_sim.patient_motion import PatientMotionConfig
from hardware_sim.room.skin import skin_behind
from planning_core.errors import InputError
from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray

ROOM_FILE = "room.json"
BEAD_RING_MM = (24.0, 36.0)
"""How far beside the field, on the skin, the check bead is glued (assumed)."""
BEAD_WITHIN_MM, BEAD_LEAST_MM = 112.0, 12.0
"""How far from the field it may be so that it tells of the targets beside that, and how near the guides let it come (assumed)."""
GUIDES_MM = 45.0
"""So far beside the spine guides stand on the skin."""


class RoomFileError(InputError):
    """``room.json`` cannot be used. Carries ``problems``."""

    code = "room_file"


class RoomSpec(BaseModel):
    """Everything that is true of a room before anything in it moves; mm, seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0)
    ct: Path = Field(Path("ct"), description="CT that is the patient's truth; any form that load_ct reads")
    series: str | None = Field(None, description="of the CT, where its folder holds several")
    field_lps_mm: tuple[FiniteFloat, FiniteFloat, FiniteFloat] = Field(
        (0.0, 0.0, 0.0), description="point of that CT that lies in the surgical field: the middle of the planned body"
    )
    skin_mm: float = Field(79.0, ge=25, le=160, description="skin behind the field point, least where guides stand")
    check_bead_lps_mm: tuple[FiniteFloat, FiniteFloat, FiniteFloat] | None = Field(
        None, description="centre of the check bead on the skin; None: drawn, on a flat back"
    )
    arm: Literal["ur5", "ur5e", "ur10e"] = "ur5"
    motion: PatientMotionConfig = PatientMotionConfig()
    camera: Literal["spectra", "vega"] = "spectra"
    epoch_s: FiniteFloat = Field(default_factory=time.monotonic, ge=0, description="zero of the room's time, monotonic clock")
    carm_field_mm: tuple[PositiveFloat, PositiveFloat] | None = Field(
        None, description="diameter and height of the cylinder the C-arm sees; None: as wide as vertebra and plate need"
    )

    @classmethod
    def of(cls, hu: Any, grid: Grid, field_lps_mm: tuple[float, float, float], **rest: Any) -> RoomSpec:
        """A room whose skin and check bead are those of the patient's CT.

        Args:
            hu: (nk, nj, ni) HU on ``grid``. field_lps_mm: see the field. rest: other fields.

        Raises:
            InputError: the field point lies outside the CT, or in air.
        """
        field = np.asarray(field_lps_mm, dtype=np.float64)
        lows = []
        for up_mm in (-25.0, 0.0, 25.0):
            left, depth = skin_behind(hu, grid, field, up_mm)
            lows.append(np.nanmin(depth[abs(left) <= GUIDES_MM]))
        offset = bead_offset(int(rest.get("seed", 1)))

        def glue() -> None:
            left, depth = skin_behind(hu, grid, field, float(offset[2]))
            offset[1] = np.interp(offset[0], left, depth)

        glue()
        share = np.sqrt(max(BEAD_WITHIN_MM**2 - offset[1] ** 2, BEAD_LEAST_MM**2)) / float(np.hypot(offset[0], offset[2]))
        if share < 1:  # in a stout patient it is nearer to the field, so that it still tells of the target
            offset[[0, 2]] *= share
            glue()
        return cls(field_lps_mm=field_lps_mm, skin_mm=float(min(lows)), check_bead_lps_mm=_point(field + offset), **rest)

    @property
    def bead_lps_mm(self) -> FloatArray:
        """(3,) centre of the check bead in the patient's CT."""
        if self.check_bead_lps_mm is not None:
            return np.array(self.check_bead_lps_mm)
        return np.array(self.field_lps_mm) + bead_offset(self.seed) + [0.0, self.skin_mm, 0.0]

    def write(self, folder: Path) -> None:
        """``room.json`` in the sim folder, renamed into place."""
        part = folder / f".part-{ROOM_FILE}"
        part.write_text(self.model_dump_json(indent=1) + "\n")
        part.replace(folder / ROOM_FILE)

    @classmethod
    def read(cls, folder: Path) -> RoomSpec:
        """The room of a sim folder.

        Raises:
            RoomFileError: no such file, no JSON, unknown keys, or values out of range.
        """
        try:
            return cls.model_validate_json((folder / ROOM_FILE).read_text())
        except OSError as error:
            raise RoomFileError(f"no {ROOM_FILE} in the sim folder: {error.strerror}", problems=[str(error)]) from error
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise RoomFileError(f"{ROOM_FILE} refused: {'; '.join(problems)}", problems=problems) from error

    def now_s(self) -> float:
        """The room's time."""
        return time.monotonic() - self.epoch_s


def bead_offset(seed: int) -> FloatArray:
    """(3,) LPS mm from the field point to the bead, depth not counted: more along the spine than beside it."""
    draw = np.random.default_rng([seed, 31])
    away, angle = draw.uniform(*BEAD_RING_MM), np.deg2rad(draw.uniform(-35, 35))
    return np.array([away * np.sin(angle), 0.0, away * np.cos(angle) * draw.choice([-1, 1])])


def _point(values: FloatArray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
