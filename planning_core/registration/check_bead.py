"""The check point of a registration by plate: one steel bead in the scan that is not the plate's, touched with the probe."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from planning_core.errors import AmbiguousError
from planning_core.geometry.arrays import frozen_vector
from planning_core.registration.beads import Bead
from planning_core.registration.refusals import RegistrationError
from planning_core.registration.registration import PlateInScan


class CheckBeadConfig(BaseModel):
    """Which bead is the check point."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    within_mm: float = Field(110.0, gt=0, description="of the target; acceptance allows 120 (assumed)")
    lead_mm: float = Field(10.0, ge=0, description="the next one must be further away by this, or nobody knows which is meant")
    off_plate_mm: float = Field(8.0, ge=0, description="of every bead of the plate, as acceptance asks")


class NoCheckBeadError(RegistrationError):
    """No bead near the target that is not the plate's. Carries ``found`` (other beads), ``nearest_mm`` and ``within_mm``."""

    code = "no_check_bead"


class AmbiguousCheckBeadError(AmbiguousError):
    """Two beads that could be meant. Carries ``distances_mm`` of both from the target and ``lead_mm``."""

    code = "ambiguous_check_bead"


def choose_check_bead(scanned: PlateInScan, target_lps_mm: ArrayLike, config: CheckBeadConfig | None = None) -> Bead:
    """The bead nearest the target that took no part in the fit.

    Args:
        target_lps_mm: (3,) in the scan's ct_lps.

    Raises:
        NoCheckBeadError: there is none near enough. AmbiguousCheckBeadError: two are nearly as near.
    """
    config = config or CheckBeadConfig()
    target = frozen_vector(target_lps_mm)
    free = other_beads(scanned, config)
    near = sorted((float(np.linalg.norm(b.centre_lps_mm - target)), n) for n, b in enumerate(free))
    if near[0][0] > config.within_mm:
        raise _none(len(near), near[0][0], config)
    if len(near) > 1 and near[1][0] - near[0][0] < config.lead_mm:
        raise AmbiguousCheckBeadError(
            f"two beads lie {near[0][0]:.0f} and {near[1][0]:.0f} mm from the target: which is the check point? "
            "Take one away and scan again",
            distances_mm=[near[0][0], near[1][0]],
            lead_mm=config.lead_mm,
        )
    return free[near[0][1]]


def other_beads(scanned: PlateInScan, config: CheckBeadConfig | None = None) -> tuple[Bead, ...]:
    """Beads that are not the plate's and stand clear of it; at least one.

    Raises:
        NoCheckBeadError: there is none.
    """
    config = config or CheckBeadConfig()
    plate = scanned.fit.src_mm
    beads = [scanned.search.beads[n] for n in scanned.match.extra]
    free = tuple(b for b in beads if np.linalg.norm(plate - b.centre_lps_mm, axis=1).min() >= config.off_plate_mm)
    if not free:
        raise _none(0, None, config)
    return free


def _none(found: int, nearest_mm: float | None, config: CheckBeadConfig) -> NoCheckBeadError:
    said = "the scan shows none" if nearest_mm is None else f"the nearest of {found} is {nearest_mm:.0f} mm away"
    return NoCheckBeadError(
        f"a steel bead within {config.within_mm:g} mm of the target is needed as check point, {said}: fix one and scan again",
        found=found,
        nearest_mm=nearest_mm,
        within_mm=config.within_mm,
    )
