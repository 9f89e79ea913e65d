"""Every number of the cement stage that is policy or disagrees between sources."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CementConfig(BaseModel):
    """Configuration of the cement volume; printed in the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: str = Field("Kyphon HV-R", description="key of products.PRODUCTS")
    share_of_deficit: float = Field(
        0.80,
        gt=0,
        le=1,
        description="assumed: cement interdigitates and some of the deficit is restored height (no trial fixes it)",
    )
    share_of_body: float = Field(
        0.16, gt=0, le=0.4, description="about 16 % of the body restores strength (Molloy 2003); 30 % was tested (Rotter 2015)"
    )
    thoracic_ml: tuple[float, float] = Field((2.0, 4.0), description="usual set volume per level, T1–T10 (FACTS 2)")
    junction_ml: tuple[float, float] = Field((3.0, 5.0), description="T11–L2 (FACTS 2)")
    lumbar_ml: tuple[float, float] = Field((4.0, 6.0), description="L3–L6 (FACTS 2)")
    leak_caution_factor: float = Field(
        0.85, gt=0, le=1, description="assumed reduction where a cleft or a wall defect raises leakage (OR 1.4–5.6, Zhan 2017)"
    )
    leak_caution_gas_ml: float = Field(0.15, ge=0, description="gas inside the body from which a cleft is assumed")
    negligible_ml: float = Field(0.8, gt=0, description="a deficit below this, or within its own error, is no collapse")
    negligible_loss_percent: float = Field(15.0, gt=0, description="height loss below this is within normal (Genant: 20)")
    footprint_margin_mm: float = Field(0.5, ge=0, description="columns this far outside the collapsed body still count")
    sliver_ml: float = Field(0.10, gt=0, description="loose pieces of the subtraction below this are dropped and reported")
    height_tolerance_mm: float = Field(3.0, gt=0, description="self-check: ideal against expected cortical heights")
    boundary_bias_mm: float = Field(
        0.12, gt=0, description="mean offset of what stands from the neighbours in place above which the mask is doubted"
    )
    congruence_mm: float = Field(
        0.11, ge=0, description="that offset between sound masks of four patients (0.02–0.21), whose arches are not congruent"
    )
    wide_interval: float = Field(
        0.40, gt=0, description="half-width of the interval over the deficit above which a person must look"
    )
    level_spread: dict[str, float] = Field(
        {"two neighbours": 0.028, "level trend": 0.05, "one neighbour": 0.07, "shape model": 0.05},
        description="one sigma of a healthy body's volume about what its neighbours lead one to expect, as a share of it",
    )
