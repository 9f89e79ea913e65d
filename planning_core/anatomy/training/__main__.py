"""``python -m planning_core.anatomy.training DATA OUT [--leave-out PATIENT]``: from shared data to the three ONNX files."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from planning_core.anatomy.patches import REFINEMENT, SPINE_MAP, VERTEBRA
from planning_core.anatomy.training import fit, refinement
from planning_core.anatomy.training.export import write_onnx
from planning_core.anatomy.training.sources import all_subjects

STEPS = {"spine_map": 700, "vertebra": 2800, "refinement": 300}


def main() -> None:
    """Train the three networks one after the other and write them."""
    parser = argparse.ArgumentParser(prog="python -m planning_core.anatomy.training")
    parser.add_argument("data", type=Path, help="folder with the shared CTs, masks and surfaces")
    parser.add_argument("out", type=Path, help="folder for the three ONNX files")
    parser.add_argument("--leave-out", default="", help="patient that is not trained on")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order: the same data and seed give the same weights
    subjects = [s for s in all_subjects(given.data) if s.name != given.leave_out]
    given.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cpu")
    spines = [s for s in subjects if len(s.instances) > 1]
    first = fit.train(spines, SPINE_MAP, seed=given.seed, device=device, steps=STEPS["spine_map"])
    write_onnx(first, SPINE_MAP, fit.INPUTS, given.out / "spine_map.onnx")
    second = fit.train(subjects, VERTEBRA, seed=given.seed, device=device, steps=STEPS["vertebra"])
    write_onnx(second, VERTEBRA, fit.INPUTS, given.out / "vertebra.onnx")
    third = refinement.train_refinement(subjects, second, seed=given.seed, steps=STEPS["refinement"])
    write_onnx(third, REFINEMENT, refinement.INPUTS, given.out / "refinement.onnx")


if __name__ == "__main__":
    main()
