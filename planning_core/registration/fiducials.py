"""Steel balls on the skin, seen in a scan and touched with the probe in any order: no plate, no second scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from planning_core.errors import PkpError
from planning_core.geometry.arrays import frozen_vector
from planning_core.imaging.volume import CtVolume
from planning_core.registration.beads import Bead, find_beads
from planning_core.registration.config import BeadConfig, FiducialConfig, MatchConfig
from planning_core.registration.matching import match_beads
from planning_core.registration.refusals import RegistrationError
from planning_core.registration.registration import Registration, register_points
from planning_core.registration.touch import Touch


class NoFiducialsError(RegistrationError):
    """Too few or too many balls on the skin. Carries ``found``, ``least`` and ``most``."""

    code = "no_fiducials"


class FiducialsMismatchError(RegistrationError):
    """The places touched do not lie as the scan's balls do, or fit them in two ways. Carries ``touched``, ``why`` (code)."""

    code = "fiducials_mismatch"


def find_fiducials(ct: CtVolume, config: FiducialConfig | None = None, beads: BeadConfig | None = None) -> tuple[Bead, ...]:
    """All balls of the size that the scan shows.

    Raises:
        NoFiducialsError: fewer or more than are used. TooMuchMetalError: see ``find_beads``.
    """
    config = config or FiducialConfig()
    found = find_beads(ct, config.diameter_mm, beads).beads
    if not config.least <= len(found) <= config.most:
        raise NoFiducialsError(
            f"the scan shows {len(found)} steel balls of {config.diameter_mm:g} mm, {config.least} to {config.most} are used",
            found=len(found),
            least=config.least,
            most=config.most,
        )
    return found


def nearest(beads: Sequence[Bead], point_lps_mm: ArrayLike) -> int:
    """Which ball is nearest to a point (3,) of ct_lps: the one to check a fit of the others by."""
    away = [float(np.linalg.norm(bead.centre_lps_mm - frozen_vector(point_lps_mm))) for bead in beads]
    return int(np.argmin(away))


def register_touched(
    touches: Sequence[Touch], beads: Sequence[Bead], left_out: int, config: FiducialConfig | None = None
) -> Registration:
    """Every ball touched once, in any order; one of them takes no part in the fit.

    Args:
        touches: as many as ``beads``. left_out: index of the ball that the fit is checked by.

    Raises:
        FiducialsMismatchError: they do not lie as the balls do. PointsError: see ``register_points``.
    """
    config = config or FiducialConfig()
    places, centres = np.array([t.reference_mm for t in touches]), np.array([b.centre_lps_mm for b in beads])
    limits = MatchConfig(tolerance_mm=config.tolerance_mm, min_beads=len(beads), max_beads=max(len(beads), 5))
    try:
        pairs = match_beads(centres, places, limits).pairs
    except PkpError as error:
        raise FiducialsMismatchError(
            f"the {len(places)} places touched do not lie as the scan's {len(centres)} balls do, or in more than one way: "
            "touch each ball once more",
            touched=len(places),
            why=error.code,
        ) from error
    used = [(bead, touch) for bead, touch in pairs if bead != left_out]
    of_bead, of_touch = (list(column) for column in zip(*used, strict=True))
    return register_points(
        places[of_touch],
        centres[of_bead],
        np.array([touches[n].covariance for n in of_touch]),
        np.array([beads[n].covariance for n in of_bead]),
    )
