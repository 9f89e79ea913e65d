"""Every number of the trajectory stage that is policy, assumed, or taken from a source."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from planning_core.errors import InputError
from planning_core.trajectory.plan import ErrorBudget

CANNULA_DIAMETER_MM: dict[str, float] = {
    "8G": 4.19,
    "10G": 3.40,
    "11G working": 3.20,
    "11G": 3.05,
    "13G": 2.41,
}
"""Outer diameters. 8G–13G: Birmingham (Stubs) wire gauge, 0.165, 0.134, 0.120 and 0.095 in, to which needle makers work.
``11G working``: the class of working cannula put over an 11G needle's wire, 3.2 mm, the project's own reference size."""


class UnknownCannulaError(InputError):
    """A cannula that is not in the table. Carries ``given`` and ``known``."""

    code = "unknown_cannula"


def cannula_diameter_mm(name: str) -> float:
    """Outer diameter of a cannula by name, mm.

    Raises:
        UnknownCannulaError: not in ``CANNULA_DIAMETER_MM``.
    """
    if name not in CANNULA_DIAMETER_MM:
        known = ", ".join(CANNULA_DIAMETER_MM)
        raise UnknownCannulaError(f"no cannula {name!r}; known: {known}", given=name, known=list(CANNULA_DIAMETER_MM))
    return CANNULA_DIAMETER_MM[name]


class CostWeights(BaseModel):
    """What a shortfall of one unit, squared, costs; all assumed, chosen so that walls come before targets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    clearance: float = Field(4.0, ge=0, description="per mm² below ``comfortable_clearance_mm``")
    secure_clearance: float = Field(40.0, ge=0, description="per mm² below ``secure_clearance_mm``")
    canal: float = Field(2.0, ge=0, description="per mm² below ``comfortable_canal_mm``")
    endplate: float = Field(1.0, ge=0, description="per mm² below ``comfortable_endplate_mm``")
    anterior: float = Field(1.0, ge=0, description="per mm² below ``anterior_margin_mm``")
    target: float = Field(0.08, ge=0, description="per mm² between the tip and the aim")
    angle: float = Field(0.02, ge=0, description="per degree² outside the usual convergence and sagittal range")
    skiving: float = Field(8.0, ge=0, description="per unit² of the cosine of incidence below ``least_incidence_cos``")
    process: float = Field(1.0, ge=0, description="per mm² the cannula comes too near to other processes or vertebrae")
    cover: float = Field(2.0, ge=0, description="per mm² below ``wanted_clearance_mm`` just behind the pedicle")
    length: float = Field(0.06, ge=0, description="per mm of bone behind the pedicle: enter beside the facet, not through it")
    bend: float = Field(0.01, ge=0, description="per degree² of bend beyond half of what the needle allows")
    forbidden: float = Field(1000.0, gt=0, description="per mm² a hard limit is broken: steers the search back inside")


class TrajectoryConfig(BaseModel):
    """How needle paths are searched, limited and graded; printed in the report."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cannulas: tuple[str, ...] = Field(
        ("11G working", "13G"), min_length=1, description="tried in this order until one passes with the wanted clearance"
    )
    wanted_clearance_mm: float = Field(1.0, ge=0, description="bone left on every side in the pedicle (project's limit)")
    secure_clearance_mm: float = Field(
        2.0, ge=0, description="up to here bone beside the cannula is worth more than any target or angle; assumed"
    )
    comfortable_clearance_mm: float = Field(
        4.0, ge=0, description="more bone than this earns nothing; assumed (Spine-DART asks 2.5 mm from axis to wall, FACTS 7)"
    )
    least_clearance_mm: float = Field(0.0, ge=0, description="below this a path is refused: Gertzbein–Robbins A only (FACTS 4)")
    least_canal_mm: float = Field(0.0, ge=0, description="cannula's surface to canal, transpedicular: never inside")
    least_canal_extrapedicular_mm: float = Field(2.0, ge=0, description="the same where no pedicle wall guards it; assumed")
    comfortable_canal_mm: float = Field(3.0, ge=0, description="assumed")
    least_endplate_mm: float = Field(1.0, ge=0, description="cannula's surface to endplates and side walls of the body; assumed")
    comfortable_endplate_mm: float = Field(3.0, ge=0, description="assumed; keeps cement from the disc")
    anterior_margin_mm: float = Field(5.0, ge=0, description="bone ahead of the tip along the path; assumed")
    least_anterior_mm: float = Field(3.0, ge=0, description="hard limit of the same; assumed")
    convergence_deg: tuple[float, float] = Field(
        (0.0, 30.0), description="usual range toward the midline: thoracic about 0 to L5 about 30 (FACTS 3)"
    )
    crossing_convergence_deg: tuple[float, float] = Field((15.0, 45.0), description="unipedicular and extrapedicular; assumed")
    sagittal_deg: float = Field(20.0, gt=0, description="usual tilt up or down (thoracic 15–18, FACTS 3)")
    least_incidence_cos: float = Field(
        0.5, ge=0, le=1, description="flatter than this (60° off the normal) a tip may skive; assumed"
    )
    beside_wall_mm: float = Field(
        4.0, ge=0, description="an extrapedicular axis passes at most this far outside the pedicle's wall; assumed"
    )
    beside_height_mm: float = Field(7.0, ge=0, description="and between the pedicle's middle and this far above it; assumed")
    lane_share: float = Field(
        0.16, gt=0, lt=0.5, description="bipedicular tips lie this share of the body's width beside the midline"
    )
    depth_share: float = Field(
        0.26, gt=0, lt=0.5, description="aim: this share of the body's depth behind its front (anterior third)"
    )
    depth_range: tuple[float, float] = Field(
        (0.2, 0.34), description="a defect draws the aim to its own depth, within this part of the anterior third"
    )
    crossing_share: float = Field(
        0.06, ge=0, lt=0.5, description="a crossing tip lies this share of the width beyond the midline"
    )
    largest_bend_deg: float = Field(60.0, gt=0, lt=90, description="curved nitinol needle against its cannula; assumed")
    longest_curve_mm: float = Field(30.0, gt=0, description="reach of the curved part beyond the cannula; assumed")
    defect_least_ml: float = Field(0.8, ge=0, description="a smaller defect does not attract the tip")
    pathway_mm: float = Field(45.0, gt=10, description="how far outside the bone the cannula must pass other processes")
    air_hu: float = Field(
        -400.0, ge=-800, le=-200, description="darker is air: skin, or lung when tissue follows; fat is about -100, lung -850"
    )
    least_lung_mm: float = Field(1.0, ge=0, description="cannula's surface to air beside its way; nearer is refused; assumed")
    near_lung_mm: float = Field(5.0, ge=0, description="nearer is said in a warning; assumed")
    doubtful_breach: float = Field(
        0.20, gt=0, le=1, description="paths likelier than this to breach come after all others, with a warning; assumed"
    )
    breach_samples: int = Field(2000, ge=100, description="Monte Carlo draws; standard error ≤ 1.1 % at 2000")
    seed: int = Field(20240229, ge=0, description="of the Monte Carlo draws")
    registration_mm: float = Field(
        0.5,
        ge=0,
        description="3D RMS; assumed so that registration, arm, tracker and segmentation add up to TiRobot's 0.8 (FACTS 1)",
    )
    tracker_mm: float = Field(0.12, ge=0, description="3D RMS, Polaris Vega (FACTS 1)")
    arm_mm: float = Field(0.35, ge=0, description="3D RMS, arm under closed-loop tracking (Tovar-Arriaga 2012, FACTS 1)")
    segmentation_mm: float = Field(
        0.5, ge=0, description="standard deviation of the wall along its normal; assumed, half a 1 mm voxel"
    )
    angle_deg: float = Field(
        1.0,
        ge=0,
        description="RMS angle; assumed between closed loop (0.35 mm over a 100 mm guide) and ExcelsiusGPS' clinical 2.4",
    )
    weights: CostWeights = CostWeights()

    @field_validator("cannulas")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in CANNULA_DIAMETER_MM]
        if unknown:
            raise ValueError(f"no cannula {unknown}; known: {list(CANNULA_DIAMETER_MM)}")
        return names

    @field_validator("convergence_deg", "crossing_convergence_deg", "depth_range")
    @classmethod
    def _in_order(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if ends[0] > ends[1]:
            raise ValueError(f"{list(ends)}: the lower end comes first")
        return ends

    @property
    def budget(self) -> ErrorBudget:
        """The configured errors between plan and needle."""
        return ErrorBudget(self.registration_mm, self.tracker_mm, self.arm_mm, self.segmentation_mm, self.angle_deg)
