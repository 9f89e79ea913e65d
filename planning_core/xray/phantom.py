"""The bead phantom that calibrates a C-arm: steel balls of two sizes on a helix, which of them are large being its code."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from planning_core.geometry.arrays import BoolArray, FloatArray, frozen, frozen_float64
from planning_core.xray.refusals import InvalidPhantomError

PHANTOM = "phantom"


def _mask(values: ArrayLike) -> BoolArray:
    return frozen(values, np.bool_)


@attrs.frozen(eq=False)
class BeadPhantom:
    """Where its beads are.

    Args:
        beads_mm: (n, 3) in the frame ``phantom``. large: (n,) bool.
        small_mm, large_mm: diameters.
    """

    beads_mm: FloatArray = attrs.field(converter=frozen_float64)
    large: BoolArray = attrs.field(converter=_mask)
    small_mm: float = 3.0
    large_mm: float = 5.0

    @property
    def diameters_mm(self) -> FloatArray:
        """(n,) mm."""
        return np.where(self.large, self.large_mm, self.small_mm)


def helix_phantom() -> BeadPhantom:
    """Thirty beads on a cylinder 90 mm wide and 116 mm long, six of them large, no two of whose distances are alike.

    A helix has no mirror image of its own, so a mirrored picture does not match; its depth fixes the source.
    """
    count, radius_mm, turn_deg, rise_mm = 30, 45.0, 52.0, 4.0
    n = np.arange(count)
    around = np.radians(turn_deg) * n
    beads = np.stack([radius_mm * np.cos(around), radius_mm * np.sin(around), rise_mm * (n - (count - 1) / 2)], axis=-1)
    return BeadPhantom(beads, np.isin(n, (0, 4, 11, 17, 22, 29)))


class Bead(BaseModel):
    """One steel ball."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at_mm: tuple[float, float, float]
    large: bool = False


class PhantomFile(BaseModel):
    """What describes a bead phantom of one's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    small_mm: PositiveFloat
    large_mm: PositiveFloat
    beads: tuple[Bead, ...] = Field(min_length=12)


def read_phantom(path: Path) -> BeadPhantom:
    """The phantom that a JSON file describes.

    Raises:
        InvalidPhantomError: it cannot be read, or describes none.
    """
    try:
        said = PhantomFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidPhantomError("the phantom's file cannot be read", problems=[type(error).__name__]) from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()][:8]
        raise InvalidPhantomError(f"the file describes no bead phantom: {'; '.join(problems[:3])}", problems=problems) from error
    large = sum(bead.large for bead in said.beads)
    if large < 3 or said.small_mm >= said.large_mm:
        raise InvalidPhantomError(
            f"{large} large beads of {said.large_mm:g} mm, small ones of {said.small_mm:g} mm: 3 and a difference are needed",
            problems=["large"],
        )
    return BeadPhantom([b.at_mm for b in said.beads], [b.large for b in said.beads], said.small_mm, said.large_mm)
