"""Every number of the trajectory stage."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

CANNULA_MM: dict[str, float] = {"11G": 3.05, "13G": 2.41}
"""Outer diameters by gauge (ISO 9626 tubing)."""


class TrajectoryConfig(BaseModel):
    """How paths are searched and judged; printed in the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diameter_mm: float = Field(3.2, gt=1, lt=6, description="outer diameter of the working cannula (11G class with tolerance)")
    curved_diameter_mm: float = Field(2.4, gt=1, lt=6, description="curved inner needle, 13G class")
    least_canal_mm: float = Field(1.0, ge=0, description="least distance of the cannula's surface from the canal")
    least_clearance_mm: float = Field(0.0, description="least bone around the cannula in the pedicle: below it a path is refused")
    tip_margin_mm: float = Field(3.0, gt=0, description="least bone in front of the tip (anterior wall, endplates)")
    body_margin_mm: float = Field(1.0, ge=0, description="least bone beside the cannula within the body")
    target_depth: float = Field(
        0.75, gt=0.4, lt=0.95, description="wanted tip: share of the body's depth from the posterior wall"
    )
    off_midline_mm: float = Field(6.0, ge=0, description="wanted tip beside the midline, on the side of entry")
    convergence_deg: tuple[float, float] = Field((-5.0, 40.0), description="transverse angle towards the midline (FACTS 3)")
    sagittal_deg: tuple[float, float] = Field((-30.0, 30.0), description="angle against the endplates")
    bend_deg: float = Field(60.0, gt=0, le=90, description="largest bend of a curved needle")
    registration_mm: float = Field(0.5, ge=0, description="assumed one-sigma; guides are accepted below 1 mm (FACTS 7)")
    tracker_mm: float = Field(0.25, ge=0, description="Polaris Vicra acceptance (FACTS 1)")
    arm_mm: float = Field(0.35, ge=0, description="robot with tracker, closed loop (Tovar-Arriaga 2012)")
    segmentation_mm: float = Field(0.4, ge=0, description="assumed one-sigma of the wall's place; half a voxel is added")
    angle_deg: float = Field(0.5, ge=0, description="assumed one-sigma of the guide's direction")
    samples: int = Field(2000, ge=100, description="Monte Carlo draws; standard error below 1.2 points")
    seed: int = Field(7, description="of the draws")
