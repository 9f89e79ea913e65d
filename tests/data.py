"""Where the real CTs, masks and surfaces lie that some tests and benchmarks read; the project itself ships none."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("OPENPKP_DATA", ROOT.parent / "shared" / "data"))

VERSE012_CT = "verse012/sub-verse012_ct.nii.gz"
VERSE012_MASK = "verse012/sub-verse012_seg-vert_msk.nii.gz"
VERSE005_MASK = "verse005/verse005_L1-L5_labels.nii.gz"
HEALTHY_MASK = "healthy_reference/healthy_ref_mask.nii.gz"
THORACIC_CT = "thoracic_ct/cxr.nii.gz"
THORACIC_MASK = "thoracic_ct/mask.nii.gz"
TOTALSEG_CT = "totalseg_ct/example_ct.nii.gz"
TOTALSEG_MASK = "totalseg_ct/spine_report__example_ct_report__totalseg.nii.gz"
TOTALSEG_BODIES = "totalseg_ct/spine_report__example_ct_report__totalseg_vertebrae_body.nii.gz"


def shared_data(name: str) -> Path:
    """The path of one shared file; skips the test where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"real data {name} is not here (looked in {SHARED}; set OPENPKP_DATA)")
    return path
