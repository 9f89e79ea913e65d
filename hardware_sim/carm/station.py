"""The C-arm in its room: centred by its operator on vertebra and plate, it turns once and says what was true of that turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np

from hardware_sim.carm.scan import CarmScan, PatientVolume, ScanSpec, ScanTruth, scan
from hardware_sim.patient.dicom import write_series
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_vector
from planning_core.registration.plate import Plate

CARM_FROM_WORLD = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""The patient lies prone: L is the world's y, P its z, S its x."""
SMALLEST_MM = (160.0, 130.0)
LARGEST_MM = (260.0, 200.0)
VERTEBRA_MM = (38.0, 34.0)
"""Around the field point, across and along the axis: a lumbar vertebra with its processes, and its neighbours' endplates."""
RIM_MM = 4.0


class FieldTooSmallError(InputError):
    """Vertebra, plate and check bead do not fit into the C-arm's field. Carries ``needed_mm`` and ``field_mm``."""

    code = "field_too_small"


@attrs.frozen(eq=False)
class Situation:
    """Where things stand at the moment of a scan, in ``world``, mm.

    Args:
        world_from_patient, world_from_plate: T_world_patient (the patient's CT as it lies now) and T_world_plate.
        check_bead_mm: (3,).
    """

    world_from_patient: RigidTransform
    world_from_plate: RigidTransform
    check_bead_mm: FloatArray = attrs.field(converter=frozen_vector)

    @classmethod
    def of(cls, world_from_ct: RigidTransform, world_from_plate: RigidTransform, check_bead_mm: FloatArray) -> Situation:
        """From the room's poses, whatever it calls their frames."""
        return cls(_named(world_from_ct, "patient"), _named(world_from_plate, "plate"), check_bead_mm)


@attrs.frozen(eq=False)
class Turn:
    """One scan with its truth."""

    scan: CarmScan
    truth: ScanTruth
    check_bead_lps_mm: FloatArray
    time_s: float
    seed: int

    def write_dicom(self, folder: Path) -> None:
        """One CT series; scans at other times are other series of the same patient."""
        write_series(self.scan.hu, self.scan.grid, self.seed, folder, scan=f"carm {self.time_s:.3f}")

    def record(self) -> dict[str, Any]:
        """What was true, for tests: JSON-able, mm in the scan's ct_lps."""
        plate = self.truth.ct_from_plate
        return {
            "time_s": self.time_s,
            "T_ct_lps_patient": self.truth.ct_from_patient.matrix.tolist(),
            "T_ct_lps_plate": None if plate is None else plate.matrix.tolist(),
            "beads_lps_mm": self.truth.beads_lps_mm.tolist(),
            "in_view": self.truth.in_view.tolist(),
            "check_bead_lps_mm": self.check_bead_lps_mm.tolist(),
        }


def turn(
    patient: PatientVolume,
    field_lps_mm: FloatArray,
    plate: Plate,
    there: Situation,
    time_s: float,
    seed: int,
    field_mm: tuple[float, float] | None = None,
    spacing_mm: tuple[float, float, float] = (0.5, 0.5, 0.5),
) -> Turn:
    """Scan the patient where it lies now, as if in no time: breath is held.

    Args:
        field_lps_mm: (3,) middle of the vertebra, in the patient's CT. time_s: the room's; noise and UIDs hang on it.
        field_mm: diameter and height of what is seen; None: as much as vertebra, plate and check bead need.

    Raises:
        FieldTooSmallError: they do not fit.
    """
    middle = there.world_from_patient.apply(field_lps_mm)
    centre, needed = _centred(middle, np.vstack([there.world_from_plate.apply(plate.beads_mm), there.check_bead_mm]))
    most = field_mm or LARGEST_MM
    if needed[0] > most[0] or needed[1] > most[1]:
        raise FieldTooSmallError(
            f"vertebra and beads need {needed[0]:.0f} × {needed[1]:.0f} mm, the C-arm sees {most[0]:g} × {most[1]:g} mm",
            needed_mm=[round(n, 1) for n in needed],
            field_mm=list(most),
        )
    seen = field_mm or (max(needed[0], SMALLEST_MM[0]), max(needed[1], SMALLEST_MM[1]))
    carm_from_world = RigidTransform.from_parts("carm", "world", CARM_FROM_WORLD, -CARM_FROM_WORLD @ centre)
    spec = ScanSpec(seed=seed * 1_000_003 + round(time_s * 1000), field_mm=seen, spacing_mm=spacing_mm)
    bead = carm_from_world.apply(there.check_bead_mm)
    made, truth = scan(
        patient,
        carm_from_world @ there.world_from_patient,
        plate,
        carm_from_world @ there.world_from_plate,
        spec,
        loose_beads_mm=[bead],
    )
    return Turn(made, truth, bead + np.array(spec.isocentre_lps_mm), time_s, seed)


def _centred(middle: FloatArray, beads: FloatArray) -> tuple[FloatArray, tuple[float, float]]:
    """Where the operator puts the isocentre, (3,) in world, and the diameter and height that are needed around it, mm."""
    across, along = VERTEBRA_MM
    reach = np.array([along, across, across])
    low = np.minimum(beads.min(axis=0) - RIM_MM, middle - reach)
    high = np.maximum(beads.max(axis=0) + RIM_MM, middle + reach)
    centre = (low + high) / 2
    away = np.linalg.norm((beads - centre)[:, 1:], axis=1).max() + RIM_MM
    body = float(np.linalg.norm((middle - centre)[1:])) + across
    return centre, (2 * max(float(away), body), float(high[0] - low[0]))


def _named(pose: RigidTransform, src: str) -> RigidTransform:
    return RigidTransform.from_parts("world", src, pose.rotation, pose.translation_mm)
