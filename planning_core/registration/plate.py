"""The marker plate ("ruler"): steel beads that a scan sees, optical markers that the camera sees, in one frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import attrs
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from planning_core.geometry.arrays import FloatArray, frozen_float64
from planning_core.registration.config import MatchConfig
from planning_core.registration.matching import likeness
from planning_core.registration.refusals import AmbiguousPlateError, PlateFileError

Point = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
BUILT_IN = Path(__file__).parent / "plates" / "ruler.json"


@attrs.frozen(eq=False)
class Plate:
    """A marker plate; frame ``plate`` is the camera's frame of its optical markers.

    Args:
        name: of the plate.
        beads_mm: (n, 3) centres of the beads in ``plate``, mm.
        bead_diameter_mm: of every bead.
        bead_tolerance_mm: one sigma per axis of those centres against the markers (making and calibration).
        markers_mm: (m, 3) centres of the optical markers in ``plate``, mm.
    """

    name: str
    beads_mm: FloatArray = attrs.field(converter=frozen_float64)
    bead_diameter_mm: float
    bead_tolerance_mm: float
    markers_mm: FloatArray = attrs.field(converter=frozen_float64)


class PlateFile(BaseModel):
    """A plate as it is written: JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["openpkp-plate"]
    version: Literal[1]
    name: str = Field(min_length=1, max_length=64)
    bead_diameter_mm: float = Field(ge=1, le=10)
    bead_tolerance_mm: float = Field(ge=0, le=1)
    beads_mm: list[Point] = Field(min_length=6, max_length=24)
    markers_mm: list[Point] = Field(min_length=3, max_length=12)


def checked_plate(plate: Plate, config: MatchConfig | None = None) -> Plate:
    """The plate itself, if its pattern can be told from every other way of seeing it.

    Raises:
        AmbiguousPlateError: turned or in a mirror, the pattern matches itself in too many beads. (A flat pattern is its own
            mirror image, so beads must not lie in one plane.)
    """
    config = config or MatchConfig()
    for mirrored in (False, True):
        alike = likeness(plate.beads_mm, 2 * config.tolerance_mm, mirrored)
        if alike > min(config.min_beads - 1, len(plate.beads_mm) - config.lead):
            way = "its mirror image" if mirrored else "itself turned"
            raise AmbiguousPlateError(
                f"plate {plate.name} matches {way} in {alike} of {len(plate.beads_mm)} beads "
                f"within {2 * config.tolerance_mm:g} mm",
                alike=alike,
                mirrored=mirrored,
            )
    return plate


def load_plate(path: Path = BUILT_IN, config: MatchConfig | None = None) -> Plate:
    """Read a plate file; by default the project's own ruler.

    Raises:
        PlateFileError: unreadable, unknown keys, values out of range, beads that touch.
        AmbiguousPlateError: see ``checked_plate``.
    """
    try:
        file = PlateFile.model_validate(json.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PlateFileError(f"{path.name} is no readable JSON: {error}", problems=[str(error)]) from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise PlateFileError(f"plate file refused: {'; '.join(problems)}", problems=problems) from error
    beads = np.array(file.beads_mm)
    gaps = np.linalg.norm(beads[:, None] - beads, axis=-1)[np.triu_indices(len(beads), 1)]
    if gaps.min() < 2 * file.bead_diameter_mm:
        problem = (
            f"two beads are {gaps.min():.1f} mm apart, at least {2 * file.bead_diameter_mm:g} mm are needed to tell them apart"
        )
        raise PlateFileError(f"plate file refused: {problem}", problems=[problem])
    markers = np.array(file.markers_mm)
    if np.linalg.svd(markers - markers.mean(axis=0), compute_uv=False)[1] < 10:
        problem = "optical markers lie on one line"
        raise PlateFileError(f"plate file refused: {problem}", problems=[problem])
    return checked_plate(Plate(file.name, beads, file.bead_diameter_mm, file.bead_tolerance_mm, markers), config)


def save_plate(plate: Plate, path: Path) -> None:
    """Write a plate file."""
    file = PlateFile(
        format="openpkp-plate",
        version=1,
        name=plate.name,
        bead_diameter_mm=plate.bead_diameter_mm,
        bead_tolerance_mm=plate.bead_tolerance_mm,
        beads_mm=[(float(x), float(y), float(z)) for x, y, z in plate.beads_mm],
        markers_mm=[(float(x), float(y), float(z)) for x, y, z in plate.markers_mm],
    )
    path.write_text(file.model_dump_json(indent=1) + "\n")
