"""Parameters of the verification node. Its place before the patient must be the arm's (same names there)."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from pkp_control.alignment import AlignmentConfig
from pkp_control.kinematics import ArmModel
from pkp_control.planned_path import GuideConfig
from pkp_control.sight_error import SightConfig, Sigmas
from planning_core.geometry.arrays import FloatArray

_A, _S, _G = AlignmentConfig(), SightConfig(), GuideConfig()


class VerificationConfig(BaseModel):
    """See ``AlignmentConfig``, ``SightConfig`` and ``GuideConfig`` for what the numbers mean and where they come from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: ArmModel = Field(ArmModel.UR5, description="row of the description: its guide and plate")
    plate_file: str = Field("", description="marker plate as JSON; empty: OpenPKP's ruler")
    patient_markers_mm: tuple[FiniteFloat, ...] = Field(
        (0.0, 0.0, 0.0, 50.0, 0.0, 0.0, 0.0, 72.0, 0.0, -38.0, 24.0, 12.0),
        min_length=9,
        description="x y z of each of the patient reference's spheres in its own frame, mm: of OpenPKP's drawing",
    )
    position_mm: float = Field(_A.position_mm, gt=0, le=2, description="limit at entry and target")
    angle_deg: float = Field(_A.angle_deg, gt=0, le=2, description="limit of the axis")
    hold_s: float = Field(_A.hold_s, gt=0, le=10, description="so long without violation")
    least_samples: int = Field(_A.least_samples, ge=3, description="frames within the hold time")
    fresh_s: float = Field(_A.fresh_s, gt=0, le=0.2, description="oldest newest frame")
    confidence: float = Field(_A.confidence, ge=0.9, lt=1, description="that a guide off by the limit is not called VERIFIED")
    marker_mm: Sigmas = Field(_S.marker_mm, description="constant error of one marker, one sigma along x, y, depth")
    field_mm: Sigmas = Field(_S.field_mm, description="smooth error of the camera's volume, likewise")
    field_wavelength_mm: float = Field(_S.field_wavelength_mm, gt=0, description="of that")
    guide_mm: float = Field(_S.guide_mm, ge=0, le=1, description="calibration of the guide's mouth, each axis")
    guide_deg: float = Field(_S.guide_deg, ge=0, le=1, description="of its axis, each axis")
    skin_clearance_mm: float = Field(_G.skin_clearance_mm, ge=0, le=50, description="as the arm's")
    unknown_skin_mm: float = Field(_G.unknown_skin_mm, gt=0, le=250, description="as the arm's")
    reach_mm: float = Field(_G.reach_mm, gt=0, le=400, description="as the arm's")

    @model_validator(mode="after")
    def _points(self) -> VerificationConfig:
        if len(self.patient_markers_mm) % 3:
            raise ValueError(f"patient_markers_mm has {len(self.patient_markers_mm)} numbers, not three a marker")
        return self

    def patient_markers(self) -> FloatArray:
        """(n, 3) mm."""
        return np.reshape(self.patient_markers_mm, (-1, 3))

    def alignment(self) -> AlignmentConfig:
        """When a position counts as verified."""
        sight = SightConfig(**{name: getattr(self, name) for name in SightConfig.model_fields})
        own = {name: getattr(self, name) for name in AlignmentConfig.model_fields if name in type(self).model_fields}
        return AlignmentConfig(sight=sight, **own)

    def guide(self) -> GuideConfig:
        """Where the guide's mouth stands."""
        return GuideConfig(**{name: getattr(self, name) for name in GuideConfig.model_fields})
