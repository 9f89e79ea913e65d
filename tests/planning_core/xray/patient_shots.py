"""Simulated C-arm shots of a simulated patient, as XA files, with clicks on one vertebra: no model's own shapes."""

import attrs
import numpy as np

from hardware_sim.carm.xray_dicom import write_xa
from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import RigidTransform
from planning_core.imaging.drr.acquisition import FLUOROSCOPY, Materials, acquire
from planning_core.imaging.volume import CtVolume
from tests.planning_core.xray.rebuilding import views


def write_patient_shots(folder, level=VertebraLevel.L2, seed=4, angles=((0.0, 0.0), (90.0, 0.0))):
    """The files and the words of clicks on the body's middle."""
    made = generate(PatientSpec(seed=seed, spacing_mm=(1.5, 1.5, 2.0)))
    ct = CtVolume(made.hu, made.grid, "0" * 64)
    middle = made.centres_lps_mm[level]
    here = RigidTransform.from_parts("carm", "ct_lps", np.eye(3), -np.asarray(middle))
    patient = Materials.of(ct, FLUOROSCOPY)
    paths, words = [], []
    for n, view in enumerate(views(angles=angles)):
        image = acquire(patient, view.seen_from(here), FLUOROSCOPY.model_copy(update={"seed": seed + n}))
        paths.append(folder / f"shot_{n}.dcm")
        write_xa(attrs.evolve(image, view=view), paths[-1], seed)
        row, column = view.project(here.apply(middle))
        words.append(f"{'abcdefgh'[n]}:{row + 1.5:.1f},{column - 1.5:.1f}")
    return paths, words
