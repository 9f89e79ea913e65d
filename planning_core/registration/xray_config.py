"""Every number of laying a CT over X-ray images that is policy or assumed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat


class XrayRegistrationConfig(BaseModel):
    """How a bone is laid over X-ray images and when the result is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    soft_hu: float = Field(100.0, description="what exceeds it is bone; flesh moves against bone and is cut by the scan's border")
    metal_hu: float = Field(2500.0, gt=0, description="values count as no more than this")
    around_mm: float = Field(2.0, ge=0, description="of the bone's own mask, within which its voxels are taken")
    levels_mm: tuple[PositiveFloat, ...] = Field((2.0, 0.8), description="pixels at the bone, coarse to fine")
    blur_px: float = Field(1.2, gt=0.3, description="one sigma, in a level's pixels")
    iterations: int = Field(25, ge=1, description="per level")
    settled_px: float = Field(0.01, gt=0, description="step of the bone's edge, in a level's pixels, below which it is done")
    search_mm: float = Field(
        14.0,
        gt=0,
        description="how far the start may be off; beyond half the distance of two vertebrae the neighbour looks right",
    )
    turns_deg: tuple[NonNegativeFloat, ...] = Field((0.0, 10.0), description="looked at about each axis, both ways")
    kept: int = Field(3, ge=1, description="starts that are refined to the end")
    apart_mm: float = Field(2.0, gt=0, description="two results nearer than this are one")
    lead: float = Field(0.03, ge=0, lt=1, description="likeness by which the best leads any other result")
    min_likeness: float = Field(
        0.08, gt=0, lt=1, description="of every view; noise alone takes it down to 0.11 behind a thick trunk"
    )
    min_significance: float = Field(
        4.0,
        gt=0,
        description="of every view: likeness above that of places where the bone is not, in their sigmas; right results have "
        "5 and more, wrong ones up to 3.6 (benchmarks/xray_registration.py)",
    )
    places: int = Field(14, ge=6, description="where the bone is not, looked at for comparison")
    elsewhere_mm: float = Field(6.0, gt=0, description="how far off these are at least; at most as far as is searched")
    max_bound95_mm: float = Field(2.0, gt=0, description="of the error to expect in the bone's middle")
    model_sigma_mm: float = Field(
        0.1, ge=0, description="per axis, what projector and thick slices leave beside noise (benchmarks/xray_registration.py)"
    )
    block_px: int = Field(
        10, ge=2, description="errors of the picture nearer than this belong together, in the finest level's pixels"
    )
