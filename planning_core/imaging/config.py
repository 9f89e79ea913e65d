"""Limits that decide whether a volume may be planned on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ImagingConfig(BaseModel):
    """What ingest accepts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_slices: int = Field(
        10, ge=2, description="fewest slices along the coarsest axis; a vertebra with discs needs ~10 at 5 mm"
    )
    max_spacing_mm: float = Field(5.0, gt=0, le=10, description="refused above: partial volume hides endplates and pedicles")
    warn_spacing_mm: float = Field(2.5, gt=0, description="warned above: a pedicle of 8 mm is then three voxels high")
    tilt_tolerance_deg: float = Field(0.5, gt=0, le=5, description="0.5° shears 300 mm of slices by 2.6 mm")
    spacing_tolerance: float = Field(0.05, gt=0, lt=0.5, description="relative deviation of one slice gap from the median gap")
    max_voxels: int = Field(700_000_000, gt=0, description="refused before any memory is taken: 1.4 GB as int16")
    max_files: int = Field(20_000, gt=0, description="of a DICOM folder")
    min_hu: float = Field(-200.0, lt=0, description="a CT holds fat or air below this; MRI and label maps do not")
    max_hu: float = Field(150.0, gt=0, description="a CT that shows bone reaches above this")
