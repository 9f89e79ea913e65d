"""Learn the column model from label files of healthy spines: ``python -m planning_core.anatomy.shape DATA OUT``."""

from __future__ import annotations

import argparse
from pathlib import Path

import attrs
import numpy as np

from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.shape.model import ColumnMap, column_map, learn

MASKS = {
    "verse005": "verse005/verse005_L1-L5_labels.nii.gz",
    "verse012": "verse012/sub-verse012_seg-vert_msk.nii.gz",
    "healthy_reference": "healthy_reference/healthy_ref_mask.nii.gz",
    "thoracic_ct": "thoracic_ct/mask.nii.gz",
    "totalseg_ct": "totalseg_ct/spine_report__example_ct_report__totalseg.nii.gz",
}
UNSOUND = {("verse012", "T10"), ("verse012", "L1"), ("healthy_reference", "T1")}
"""Cut by the field of view, or fractured."""
FIRST = VertebraLevel.T4


def healthy_bodies(data: Path, without: str = "") -> list[tuple[VertebraLevel, ColumnMap]]:
    """Every healthy body from T4 down, of all patients but one."""
    found = []
    for patient, mask in MASKS.items():
        if patient == without:
            continue
        spine = model_spine(LabelFileSegmenter(data / mask).read(), None)
        for level, vertebra in spine.vertebrae.items():
            if level.ordinal >= FIRST.ordinal and (patient, level.value) not in UNSOUND:
                found.append((level, column_map(vertebra)))
    return found


def main() -> int:
    """Learn and write the table."""
    parser = argparse.ArgumentParser(prog="python -m planning_core.anatomy.shape")
    parser.add_argument("data", type=Path, help="folder of patients")
    parser.add_argument("out", type=Path, help="columns.npz to write")
    parser.add_argument("--without", default="", help="a patient to leave out")
    given = parser.parse_args()
    model = learn(healthy_bodies(given.data, given.without))
    np.savez_compressed(given.out, **{name: value.astype(np.float32) for name, value in attrs.asdict(model).items()})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
