"""Dice on the native grid, with weights that never saw the patient (or with those shipped, marked so)."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.cases import ANCHORS, CTS, MASKS, ROOT, shared
from planning_core.anatomy.builtin import BuiltInSegmenter
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.network import WEIGHTS
from planning_core.imaging.ingest import load_ct

GRADED = {
    "verse012": ("T10 T11 T12 L1 L2 L3", 0.90),
    "thoracic_ct": ("T4 T5 T6 T7 T8 T9 T10 T11 T12 L1", 0.87),
    "totalseg_ct": ("L1 L2 L3 L4 L5", 0.87),
}


def main() -> int:
    """Print one row per vertebra and one per patient."""
    parser = argparse.ArgumentParser(prog="pkp bench segmentation")
    parser.add_argument(
        "--shipped", action="store_true", help="use the shipped weights, which were trained on these patients too"
    )
    given = parser.parse_args()
    print(f"{'patient':12s} {'level':5s} {'Dice':>6s} {'ml':>6s} {'truth':>6s}")
    for patient, (names, target) in GRADED.items():
        folder = WEIGHTS if given.shipped else ROOT / "benchmarks" / "weights" / patient
        ct = load_ct(shared(CTS[patient]))
        truth = LabelFileSegmenter(shared(MASKS[patient])).read()
        anchor = ANCHORS[patient]
        began = time.monotonic()
        found = BuiltInSegmenter(Path(folder)).segment(
            ct, (VertebraLevel(anchor[0]), np.array(anchor[1])) if anchor is not None else None
        )
        seconds = time.monotonic() - began
        dices = []
        for name in names.split():
            number = VertebraLevel(name).verse_id
            ours, theirs = found.labels == number, truth.labels == number
            dices.append(2 * float((ours & theirs).sum()) / float(ours.sum() + theirs.sum()))
            volumes = [float(m.sum()) * ct.grid.voxel_ml for m in (ours, theirs)]
            print(f"{patient:12s} {name:5s} {dices[-1]:6.3f} {volumes[0]:6.1f} {volumes[1]:6.1f}")
        missed = [n for n in names.split() if VertebraLevel(n) not in found.boundaries]
        print(
            f"{patient:12s} mean {np.mean(dices):.3f} (target {target}) least {min(dices):.3f}; missed: {', '.join(missed) or 'none'}; "
            f"cut: {', '.join(p.level.value for p in found.partial) or 'none'}; {seconds:.1f} s; "
            f"{'shipped' if given.shipped else 'leave-one-patient-out'} weights"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
