"""The C-arm in its room: it turns once about what lies there then, and says what was true of that turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np

from hardware_sim.carm.scan import CarmScan, PatientVolume, ScanSpec, ScanTruth, scan
from hardware_sim.patient.dicom import write_enhanced, write_series
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_vector
from planning_core.registration.plate import Plate

SPACING_MM = (0.5, 0.5, 0.5)


@attrs.frozen(eq=False)
class Situation:
    """Where things stand at the moment of a scan, in ``world``, mm.

    Args:
        world_from_patient, world_from_plate: T_world_patient (the patient's CT as it lies now) and T_world_plate.
        check_bead_mm: (3,).
        world_from_carm: isocentre with axes along the patient's L, P and S.
    """

    world_from_patient: RigidTransform
    world_from_plate: RigidTransform
    check_bead_mm: FloatArray = attrs.field(converter=frozen_vector)
    world_from_carm: RigidTransform

    @classmethod
    def of(cls, ct: RigidTransform, plate: RigidTransform, check_bead_mm: FloatArray, carm: RigidTransform) -> Situation:
        """From a room's poses in ``world``, whatever it calls what they place."""
        named = [
            RigidTransform.from_parts("world", src, pose.rotation, pose.translation_mm)
            for src, pose in (("patient", ct), ("plate", plate), ("carm", carm))
        ]
        return cls(named[0], named[1], check_bead_mm, named[2])


@attrs.frozen(eq=False)
class Turn:
    """One scan with its truth; the check bead (3,) in the scan's ct_lps."""

    scan: CarmScan
    truth: ScanTruth
    check_bead_lps_mm: FloatArray
    time_s: float
    seed: int

    def write_dicom(self, folder: Path, enhanced: bool = False) -> None:
        """One CT series; scans at other times are other series of the same patient.

        Args:
            enhanced: one image of many frames instead of one for each slice.
        """
        write = write_enhanced if enhanced else write_series
        write(self.scan.hu, self.scan.grid, self.seed, folder, scan=f"carm {self.time_s:.3f}")

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
    plate: Plate,
    there: Situation,
    field_mm: tuple[float, float],
    time_s: float,
    seed: int,
    spacing_mm: tuple[float, float, float] = SPACING_MM,
) -> Turn:
    """Scan the patient where it lies now, as if in no time: breath is held.

    Args:
        field_mm: diameter and height of the cylinder that is seen. time_s: the room's; noise and UIDs hang on it and on the seed.

    Raises:
        OutOfViewError: the patient is not in the field.
    """
    carm_from_world = there.world_from_carm.inverse()
    spec = ScanSpec(seed=seed * 1_000_003 + round(time_s * 1000), field_mm=field_mm, spacing_mm=spacing_mm)
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
