"""The shared patients, for every benchmark."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("OPENPKP_DATA", ROOT.parent / "shared" / "data"))

MASKS = {
    "verse012": "verse012/sub-verse012_seg-vert_msk.nii.gz",
    "verse005": "verse005/verse005_L1-L5_labels.nii.gz",
    "healthy_reference": "healthy_reference/healthy_ref_mask.nii.gz",
    "thoracic_ct": "thoracic_ct/mask.nii.gz",
    "totalseg_ct": "totalseg_ct/spine_report__example_ct_report__totalseg.nii.gz",
}
CTS = {
    "verse012": "verse012/sub-verse012_ct.nii.gz",
    "thoracic_ct": "thoracic_ct/cxr.nii.gz",
    "totalseg_ct": "totalseg_ct/example_ct.nii.gz",
}
ANCHORS = {"verse012": ("L1", (48.0, 74.0, 122.0)), "thoracic_ct": ("T12", (17.0, 50.0, -254.0)), "totalseg_ct": None}
"""An operator's point where the field of view alone leaves the numbering open."""


def shared(name: str) -> Path:
    """The path of a shared file; ends the benchmark with a sentence where it is absent."""
    path = SHARED / name
    if not path.exists():
        raise SystemExit(f"benchmark needs {name}; set OPENPKP_DATA to the folder of shared data (looked in {SHARED})")
    return path
