"""``python -m planning_core.anatomy.training DATA OUT [--extra FOLDER] [--leave-out PATIENT]``: from data to three ONNX files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from planning_core.anatomy.patches import REFINEMENT, SPINE_MAP, VERTEBRA
from planning_core.anatomy.training import fit, refinement
from planning_core.anatomy.training.export import write_onnx
from planning_core.anatomy.training.sources import all_subjects, extra_subjects
from planning_core.anatomy.training.subjects import Subject

STEPS = {"spine_map": 700, "vertebra": 2800, "refinement": 300}


def train_networks(subjects: Sequence[Subject], out: Path, seed: int = 0, share_of_steps: float = 1.0) -> None:
    """Train the three networks one after the other and write them.

    Args:
        share_of_steps: of the usual number; a small one only tries whether the data can be trained on.
    """
    steps = {name: max(1, round(share_of_steps * count)) for name, count in STEPS.items()}
    torch.set_num_threads(1)  # sums in one order: the same data and seed give the same weights
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cpu")
    spines = [s for s in subjects if len(s.instances) > 1]
    first = fit.train(spines, SPINE_MAP, seed=seed, device=device, steps=steps["spine_map"])
    write_onnx(first, SPINE_MAP, fit.INPUTS, out / "spine_map.onnx")
    second = fit.train(subjects, VERTEBRA, seed=seed, device=device, steps=steps["vertebra"])
    write_onnx(second, VERTEBRA, fit.INPUTS, out / "vertebra.onnx")
    third = refinement.train_refinement(subjects, second, seed=seed, steps=steps["refinement"])
    write_onnx(third, REFINEMENT, refinement.INPUTS, out / "refinement.onnx")


def main() -> None:
    """Read the patients and train."""
    parser = argparse.ArgumentParser(prog="python -m planning_core.anatomy.training")
    parser.add_argument("data", type=Path, help="folder with the shared CTs, masks and surfaces")
    parser.add_argument("out", type=Path, help="folder for the three ONNX files")
    parser.add_argument(
        "--extra", type=Path, action="append", default=[], help="folder of further patients, each ct.nii.gz and labels.nii.gz"
    )
    parser.add_argument("--leave-out", default="", help="patient that is not trained on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share-of-steps", type=float, default=1.0, help="below 1 only to try data out")
    given = parser.parse_args()
    subjects = [*all_subjects(given.data), *(s for folder in given.extra for s in extra_subjects(folder))]
    train_networks([s for s in subjects if s.name != given.leave_out], given.out, given.seed, given.share_of_steps)


if __name__ == "__main__":
    main()
