"""Made-up patients as training data: ``python -m hardware_sim.patient.training_data OUT [--patients N] [--seed S]``.

Each patient becomes a folder with ``ct.nii.gz`` and ``labels.nii.gz`` (VerSe ids, 26 = sacrum), the layout that
``python -m planning_core.anatomy.training … --extra OUT`` reads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from hardware_sim.patient.anatomy import LEVELS, FractureSpec, PatientSpec
from hardware_sim.patient.volume import SyntheticPatient, generate
from planning_core.geometry import Grid

SPACINGS_MM = ((0.9, 0.9, 1.25), (0.8, 0.8, 2.5), (1.0, 1.0, 3.0))
"""Of thin and thick axial slices."""
KINDS = ("wedge", "biconcave", "crush")


def varied(seed: int, spacing_mm: tuple[float, float, float] | None = None) -> PatientSpec:
    """A specification drawn by a seed: two thirds fractured, some with a cleft, of any density, noise and slice thickness."""
    rng = np.random.default_rng([seed, 2])
    fracture = FractureSpec(
        level=str(rng.choice([v.value for v in LEVELS[1:-1]])),
        kind=KINDS[int(rng.integers(len(KINDS)))],
        loss=round(float(rng.uniform(0.15, 0.5)), 2),
        cleft=bool(rng.random() < 0.3),
    )
    return PatientSpec(
        seed=seed,
        fracture=fracture if rng.random() < 2 / 3 else None,
        spacing_mm=spacing_mm or SPACINGS_MM[int(rng.integers(len(SPACINGS_MM)))],
        noise_hu=round(float(rng.uniform(8, 35)), 1),
        marrow_hu=round(float(rng.uniform(50, 180)), 1),
    )


def write_patient(patient: SyntheticPatient, folder: Path) -> None:
    """CT and labels of one patient as NIfTI."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("ct", patient.hu), ("labels", patient.labels)):
        sitk.WriteImage(_image(array, patient.grid), str(folder / f"{name}.nii.gz"), useCompression=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a number of patients."""
    parser = argparse.ArgumentParser(prog="python -m hardware_sim.patient.training_data")
    parser.add_argument("out", type=Path, help="folder to make; each patient gets a folder in it")
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the first patient; the next ones count on")
    parser.add_argument("--spacing", type=float, nargs=3, metavar=("X", "Y", "Z"), help="of every CT, mm; else drawn by the seed")
    given = parser.parse_args(arguments)
    spacing = tuple(given.spacing) if given.spacing else None
    for seed in range(given.seed, given.seed + given.patients):
        write_patient(generate(varied(seed, spacing)), given.out / f"synthetic_{seed}")
        print(f"synthetic_{seed} written", file=sys.stderr, flush=True)
    return 0


def _image(array: np.ndarray, grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing_mm.tolist())
    image.SetOrigin(grid.origin_mm.tolist())
    image.SetDirection(grid.direction.ravel().tolist())
    return image


if __name__ == "__main__":
    raise SystemExit(main())
