"""Numbers of the vertebra model that are convention or disagree between sources."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class AnatomyConfig(BaseModel):
    """How vertebrae are modelled and measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    grid_mm: float = Field(1.0, gt=0.3, le=2.0, description="spacing of a vertebra's own fields")
    height_slab_mm: float = Field(10.0, gt=0, description="width of the mid-sagittal slab that heights are averaged over")
    rim_share: float = Field(0.25, gt=0, lt=0.5, description="share of the body's depth in which a rim's corner points lie")
    lip_share: float = Field(0.70, gt=0, lt=1, description="columns lower than this share of the rim are lips, not body")
    genant_percent: tuple[float, float, float] = Field((20.0, 25.0, 40.0), description="Genant 1993: mild, moderate, severe from")
    suspect_ratio: float = Field(
        0.88, gt=0, lt=1, description="a height below this share of the spine's trend makes a neighbour no reference"
    )
    spongiosa_inset_mm: float = Field(3.0, gt=0, description="HU of spongiosa are read this far inside the body's surface")
    cortex_depth_mm: float = Field(2.0, gt=0, description="cortex is searched this far below the surface")
    gas_hu: float = Field(-200.0, ge=-900, lt=0, description="darker voxels inside the body are gas (intravertebral cleft)")

    @field_validator("genant_percent")
    @classmethod
    def _rising(cls, grades: tuple[float, float, float]) -> tuple[float, float, float]:
        if not 0 < grades[0] < grades[1] < grades[2] < 100:
            raise ValueError(f"{list(grades)}: each grade begins above the one before, between 0 and 100 %")
        return grades
