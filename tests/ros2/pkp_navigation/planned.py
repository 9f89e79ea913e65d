"""A made-up patient, planned, with the plate and a check bead over the back under a C-arm: what a registration starts from."""

import attrs
import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from hardware_sim.carm import ScanSpec, ScanTruth, scan
from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.label_file import from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.case.folder import Case
from planning_core.case.plan import HeightsMm, Plan
from planning_core.case.stage import save_stage
from planning_core.geometry import RigidTransform
from planning_core.imaging.ingest import load_ct
from planning_core.registration import load_plate
from tests.ros2 import small_plan

LEVEL = VertebraLevel.L2
PATHS = {"left": ([16.0, 45, 8], [6.0, -6, 0]), "right": ([-16.0, 45, 8], [-6.0, -6, 0])}
"""Entry and target in the vertebra's frame, mm."""


@attrs.frozen(eq=False)
class Room:
    """Where everything truly is.

    Args:
        planning_ct, scan, beadless, balls: files; the last shows steel balls on the skin and no plate.
        truth: of the scans. bead_lps_mm: check bead in the scan. balls_lps_mm: (7, 3).
        tracker_from_scan, tracker_from_reference, tracker_from_plate: camera's.
    """

    case: Case
    plan: Plan
    planning_ct: object
    scan: object
    beadless: object
    balls: object
    balls_lps_mm: np.ndarray
    truth: ScanTruth
    bead_lps_mm: np.ndarray
    tracker_from_scan: RigidTransform
    tracker_from_reference: RigidTransform
    tracker_from_plate: RigidTransform

    def reference_from_plan(self):
        """T_patient_ref_ct_lps of the plan's CT, true."""
        scan_from_plan = RigidTransform("ct_lps", "patient", self.truth.ct_from_patient.matrix)
        return self.tracker_from_reference.inverse() @ self.tracker_from_scan @ scan_from_plan


def write_image(hu, grid, path):
    image = sitk.GetImageFromArray(np.asarray(hu))
    image.SetSpacing([float(s) for s in grid.spacing_mm])
    # files are read as LPS by SimpleITK
    image.SetOrigin([float(s) for s in grid.origin_mm])
    sitk.WriteImage(image, str(path))
    return path


def sealed_plan(vertebra, ct_sha256):
    """A plan of which only what registration reads is meant."""
    heights, place = HeightsMm.of(vertebra.heights), vertebra.ct_lps_from_vertebra.apply
    paths = [
        small_plan.path(side, tuple(place(entry)), tuple(place(target)), skin_mm=None) for side, (entry, target) in PATHS.items()
    ]
    measures = dict.fromkeys(("heights_mm", "expected_mm", "ideal_mm"), heights)
    return small_plan.sealed_plan(*paths, level=LEVEL.value, ct_sha256=ct_sha256, verdict="treat", **measures)


def planned_room(folder):
    patient = generate(PatientSpec(seed=2, spacing_mm=(1.8, 1.8, 2.5), fracture=None))
    ct_path = write_image(patient.hu, patient.grid, folder / "planning.nii.gz")
    ct = load_ct(ct_path)
    segmentation = from_labels(np.where(patient.labels == 26, 0, patient.labels), ct.grid)
    vertebra = model_spine(segmentation, None, [LEVEL]).vertebrae[LEVEL]
    plan, case = sealed_plan(vertebra, ct.sha256), Case(folder / "case")
    with case.writing():
        case.write("plan.json", plan.to_json().encode())
        save_stage(case, "segmentation", "0" * 64, segmentation)
    body = vertebra.ct_lps_from_vertebra.translation_mm
    turn = Rotation.from_rotvec([0.05, 0.03, 0.1]).as_matrix()
    lies = RigidTransform.from_parts("carm", "patient", turn, np.array([0.0, -40, 0]) - turn @ body)
    over = Rotation.from_euler("xyz", [-88, 3, 2], degrees=True).as_matrix()
    plate_at = RigidTransform.from_parts("carm", "plate", over, [0, 40, 0])
    spec = ScanSpec(field_mm=(150, 80), spacing_mm=(0.7, 0.7, 0.7))
    bead = np.array([14.0, 8.0, -22.0])
    made, truth = scan(patient, lies, load_plate(), plate_at, spec, loose_beads_mm=[bead])
    without, _ = scan(patient, lies, load_plate(), plate_at, spec)
    balls = np.array([[14, 8, -22], [-40, 15, 25], [35, 18, 30], [-30, 12, -32], [2, 25, 5], [48, 2, -5], [-52, 4, 2]], float)
    marked, _ = scan(patient, lies, spec=spec, loose_beads_mm=list(balls))
    named = ((made, "scan.nii.gz"), (without, "beadless.nii.gz"), (marked, "balls.nii.gz"))
    paths = [write_image(m.hu, m.grid, folder / name) for m, name in named]
    bead_lps = bead + np.array(spec.isocentre_lps_mm)
    target = truth.ct_from_patient.apply(body)
    across = Rotation.from_euler("xy", [80, 25], degrees=True).as_matrix()
    tracker_from_scan = RigidTransform.from_parts("tracker", "ct_lps", across, across @ -target + [60, 40, -1450])
    back = Rotation.from_euler("xz", [-80, 20], degrees=True).as_matrix()
    scan_from_reference = RigidTransform.from_parts("ct_lps", "patient_ref", back, target + [-25, 65, 70])
    return Room(
        case,
        plan,
        ct_path,
        *paths,
        balls + np.array(spec.isocentre_lps_mm),
        truth,
        bead_lps,
        tracker_from_scan,
        tracker_from_scan @ scan_from_reference,
        tracker_from_scan @ truth.ct_from_plate,
    )
