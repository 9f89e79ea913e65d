"""Simulated C-arm shots of a CT, as XA files: no model's own shapes."""

import numpy as np

from hardware_sim.carm.shots import take_xrays
from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import RigidTransform
from planning_core.imaging.volume import CtVolume
from tests.planning_core.xray.rebuilding import views


def write_patient_shots(folder, level=VertebraLevel.L2, seed=4, angles=((0.0, 0.0), (90.0, 0.0))):
    """Of a simulated patient; the files and the words of clicks on the body's middle."""
    made = generate(PatientSpec(seed=seed, spacing_mm=(1.5, 1.5, 2.0)))
    ct = CtVolume(made.hu, made.grid, "0" * 64)
    middle = made.centres_lps_mm[level]
    here = RigidTransform.from_parts("carm", "ct_lps", np.eye(3), -np.asarray(middle))
    seen, words = views(angles=angles), []
    for n, view in enumerate(seen):
        row, column = view.project(here.apply(middle))
        words.append(f"{'abcdefgh'[n]}:{row + 1.5:.1f},{column - 1.5:.1f}")
    return take_xrays(ct, here, seen, folder, seed), words
