"""A vertebra laid bare and touched with the probe: three tips to begin with, places all over it, three more to check it by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.registration.acceptance import CheckPoint
from planning_core.registration.config import ExposedConfig
from planning_core.registration.points import fit_points
from planning_core.registration.refusals import RegistrationError
from planning_core.registration.surface import NORMAL_STEP_MM
from planning_core.registration.touch import Touch

FACES = 3
"""Places that make one check point: each tells of one direction."""


class TipsMismatchError(RegistrationError):
    """The tips touched do not lie as the vertebra's do. Carries ``rms_mm`` and ``limit_mm``."""

    code = "tips_mismatch"


def tips(vertebra: Vertebra) -> dict[str, FloatArray]:
    """(3,) ct_lps mm of what can be found by touch, by its name: the places farthest to the back and to either side."""
    index = np.argwhere(vertebra.whole.values < 0)
    points = vertebra.whole.grid.points(index)
    ends = {"spinous process": points[:, 1].argmax(), "left transverse process": points[:, 0].argmax()}
    ends["right transverse process"] = points[:, 0].argmin()
    return {name: vertebra.ct_lps_from_vertebra.apply(points[end]) for name, end in ends.items()}


def begun(touches: Sequence[Touch], vertebra: Vertebra, config: ExposedConfig) -> RigidTransform:
    """T_patient_ref_ct_lps, roughly, from the three tips touched in the order of ``tips``.

    Both sides interchanged fit as well and turn the vertebra head over heels: then no surface will fit.

    Raises:
        TipsMismatchError: they lie otherwise. PointsError: they are one place, or on a line.
    """
    fit = fit_points([t.reference_mm for t in touches], list(tips(vertebra).values()), "patient_ref", "ct_lps")
    if not fit.fre_mm <= config.tips_mm:
        raise TipsMismatchError(
            f"the three tips touched lie {fit.fre_mm:.1f} mm rms off the vertebra's, at most {config.tips_mm:g} mm is allowed: "
            "is it this vertebra?",
            rms_mm=fit.fre_mm,
            limit_mm=config.tips_mm,
        )
    return fit.transform


def off_bone(point_mm: FloatArray, vertebra: Vertebra, reference_from_ct: RigidTransform) -> tuple[float, FloatArray]:
    """Signed distance (mm) of a place (3,) in ``patient_ref`` off the bone, and (3,) where it faces, in ``patient_ref``."""
    bone_from_reference = (reference_from_ct @ vertebra.ct_lps_from_vertebra).inverse()
    placed = bone_from_reference.apply(point_mm)
    normal = vertebra.whole.gradient_at(placed, NORMAL_STEP_MM)
    return float(vertebra.whole.at(placed)), bone_from_reference.inverse().rotate(normal / np.linalg.norm(normal))


def grip(normals: Sequence[FloatArray]) -> float:
    """How well places that face so (k, 3) hold a bone in all directions: 0 not at all, 1 as three walls of a corner."""
    return float(np.linalg.svd(np.array(normals), compute_uv=False)[-1]) if len(normals) >= FACES else 0.0


def check_by(
    touches: Sequence[Touch], vertebra: Vertebra, reference_from_ct: RigidTransform, config: ExposedConfig
) -> CheckPoint:
    """One check point from three places on the bone that face three ways.

    A place on a surface tells how far off the bone is along its normal alone; three together give the shift in all directions.

    Args:
        touches: with a ``grip`` of ``config.grip``. reference_from_ct: the registration to be checked.
    """
    places = np.array([t.reference_mm for t in touches])
    found = [off_bone(place, vertebra, reference_from_ct) for place in places]
    normals = np.array([normal for _, normal in found])
    shift = np.linalg.solve(normals, np.array([distance for distance, _ in found]))
    along = np.einsum("ka,kab,kb->k", normals, np.array([t.covariance for t in touches]), normals)
    inverse = np.linalg.inv(normals)
    covariance = inverse @ np.diag(along + config.point_error_mm**2) @ inverse.T
    middle, back = places.mean(axis=0), reference_from_ct.inverse()
    feet = back.apply(places - np.array([distance * normal for distance, normal in found]))
    return CheckPoint(back.apply(middle - shift), middle, covariance, feet)
