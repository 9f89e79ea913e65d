"""Every number of the cement stage that is policy or disagrees between sources."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

LEVEL_SPREAD = {"two neighbours": 0.027, "level trend": 0.036, "one neighbour": 0.038, "shape model": 0.05}
"""By where the expectation comes from (``Template.source``)."""


class CementConfig(BaseModel):
    """Configuration of the cement volume; printed in the report."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
    arch_spread_mm: float = Field(
        0.15,
        gt=0,
        description="one sigma of a sound mask's boundary about its neighbours', from the arch (0.06–0.15 in four spines)",
    )
    wide_interval: float = Field(
        0.40, gt=0, description="half-width of the interval over the deficit above which a person must look"
    )
    level_spread: dict[str, float] = Field(
        LEVEL_SPREAD,
        description="one sigma of a healthy body's height, and so volume, about what its neighbours lead one to expect: "
        "2.4 % (25 levels of four spines; 2.7 % in the worst), 3.3 % (3.6 %) from farther ones, 3.7 % from one; shape: assumed",
    )

    @field_validator("thoracic_ml", "junction_ml", "lumbar_ml")
    @classmethod
    def _volumes(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if not 0 < ends[0] <= ends[1]:
            raise ValueError(f"{list(ends)}: least and most set volume, above 0 ml and in this order")
        return ends

    @field_validator("level_spread")
    @classmethod
    def _every_source(cls, spread: dict[str, float]) -> dict[str, float]:
        if spread.keys() != LEVEL_SPREAD.keys():
            raise ValueError(f"needs a number for each of {list(LEVEL_SPREAD)}, got {list(spread)}")
        if not all(0 < sigma < 1 for sigma in spread.values()):
            raise ValueError(f"{spread}: each is a share of the height, above 0 and below 1")
        return spread
