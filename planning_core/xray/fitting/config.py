"""Every number of the fit to X-rays that is policy or assumed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat

from planning_core.anatomy.shape_model.region import Region


class FitConfig(BaseModel):
    """How a vertebra's shape is laid over X-ray images and when the result is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    levels_mm: tuple[PositiveFloat, ...] = Field((2.0, 1.2), description="pixels at the bone, coarse to fine")
    blur_px: float = Field(1.2, gt=0.3, description="one sigma, in a level's pixels")
    margin_mm: float = Field(20.0, gt=0, description="of the picture about the vertebra that is looked at")
    calm_mm: float = Field(8.0, ge=0, description="within which strong slopes of a picture make each other count less; 0: not")
    search_mm: float = Field(8.0, gt=0, description="how far a start may be shifted over the picture")
    turns_deg: tuple[NonNegativeFloat, ...] = Field((0.0, 10.0), description="starts about each axis, both ways")
    first_fracture: tuple[float, float, float] = Field((0.15, 0.12, 0.05), description="of the start from a collapsed body")
    kept: int = Field(2, ge=1, description="starts that are followed to the end")
    apart_mm: float = Field(2.5, gt=0, description="two results nearer than this, root mean square, are one")
    first_modes: int = Field(6, ge=0, description="modes opened at the coarse level")
    blind_mm: float = Field(30.0, gt=0, description="how far along the spine is searched where nobody clicked")
    brief: int = Field(6, ge=1, description="steps by which a start shows what it is worth")
    steps: int = Field(20, ge=1, description="per level, at most")
    cell_mm: float = Field(12.0, gt=0, description="errors of model and picture nearer than this are one observation")
    turn_sigma_deg: float = Field(10.0, gt=0, description="of a vertebra about its usual tilt, about each axis")
    click_sigma_mm: float = Field(4.0, gt=0, description="of a click on the body's middle, at the bone, down and across")
    careful_sigma_mm: float = Field(2.0, gt=0, description="the same where the pedicles are clicked too")
    click_outlier: float = Field(3.0, gt=0, description="sigmas beyond which a click on a pedicle counts less (Cauchy)")
    pedicle_sigma_mm: float = Field(1.3, gt=0, description="of a click on a pedicle, likewise, with what the model misses of it")
    fracture_sigma: float = Field(0.4, gt=0, description="of each share of height lost: it is for fractures that one looks")
    neighbour_turn_deg: float = Field(6.0, gt=0, description="of a neighbour about its usual place, about each axis")
    neighbour_shift_mm: float = Field(3.0, gt=0, description="the same along each axis")
    outlier: float = Field(2.5, gt=0, description="residuals above so many of their usual size count less (Cauchy)")
    wide_deg: float = Field(45.0, gt=0, description="views closer than this get a further one suggested")
    least_significance: float = Field(1.5, ge=0, description="of every view")
    most_disagreement_mm: float = Field(5.0, gt=0, description="between poses that fit about as well")
    most_collapse: float = Field(0.15, gt=0, description="share of height by which results that fit about as well may differ")
    unproven: tuple[Region, ...] = Field(
        (Region.UPPER_THORACIC,), description="where most fits to a patient left out were bad (docs/algorithms/xray_fit.md)"
    )
    most_weight: float = Field(4.0, gt=0, description="standard deviations of any mode")
