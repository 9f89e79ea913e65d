"""One vertebra as the planner sees it: surfaces, parts, frame and measures."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum

import attrs

from planning_core.anatomy.body import Canal
from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray, frozen_vector


class Side(Enum):
    """The patient's own side (LPS: left is +x)."""

    LEFT = "left"
    RIGHT = "right"


class Part(IntEnum):
    """What a voxel of a vertebra's grid belongs to."""

    OUTSIDE = 0
    BODY = 1
    PEDICLE_LEFT = 2
    PEDICLE_RIGHT = 3
    LAMINA = 4
    SPINOUS_PROCESS = 5
    TRANSVERSE_LEFT = 6
    TRANSVERSE_RIGHT = 7
    ARTICULAR_SUPERIOR = 8
    ARTICULAR_INFERIOR = 9
    CANAL = 10


class GenantGrade(IntEnum):
    """Semiquantitative fracture grade (Genant 1993): loss of height below 20, 25, 40 % and above."""

    NONE = 0
    MILD = 1
    MODERATE = 2
    SEVERE = 3


class FractureShape(Enum):
    """Which part of the body lost most height."""

    NONE = "none"
    WEDGE = "wedge"
    BICONCAVE = "biconcave"
    CRUSH = "crush"


@attrs.frozen
class Heights:
    """Body heights in the mid-sagittal slab, endplate to endplate, mm."""

    anterior_mm: float
    middle_mm: float
    posterior_mm: float


@attrs.frozen(eq=False)
class Pedicle:
    """The bridge from body to arch, measured at its isthmus (narrowest cross-section).

    Args:
        centre_lps_mm: (3,) centre of the isthmus, ct_lps.
        axis_lps: (3,) unit, from posterior to anterior (the way a needle goes), ct_lps.
        width_mm, height_mm: the isthmus ellipse's extent across and along the spine.
        transverse_deg: convergence of the axis toward the midline. sagittal_deg: caudal tilt positive.
    """

    side: Side
    centre_lps_mm: FloatArray = attrs.field(converter=frozen_vector)
    axis_lps: FloatArray = attrs.field(converter=frozen_vector)
    width_mm: float
    height_mm: float
    transverse_deg: float
    sagittal_deg: float


@attrs.frozen
class BoneQuality:
    """HU of the spongiosa (body, away from the cortex) and of the cortex; exists only where there is a CT."""

    mean_hu: float
    sd_hu: float
    p5_hu: float
    gas_ml: float
    cortex_mean_hu: float


@attrs.frozen(eq=False)
class Vertebra:
    """One complete vertebra.

    Frame ``vertebra_<level>``: origin at the body's centre, x to the patient's left, y posterior, z superior along the
    body's own axis (between its endplates). All fields share one isotropic grid in that frame.

    Args:
        level: its name.
        ct_lps_from_vertebra: T_ct_lps_vertebra_<level>; where rebuilt from X-rays it leads into their frame, maybe ``carm``.
        whole: signed distance of the outer surface, mm, in the vertebra's frame.
        body: signed distance of the body alone (processes, laminae, pedicles cut off at the posterior wall).
        passage: the vertebral canal at this level.
        cortex: bool per voxel, body voxels that are cortex; ``None`` without CT.
        heights: body heights.
        body_volume_ml: volume of ``body``.
        bone: HU statistics; ``None`` without CT.
        voxel_mm: (3,) spacing of the input it came from (x, y, z), the resolution every margin is limited by.
    """

    level: VertebraLevel
    ct_lps_from_vertebra: RigidTransform
    whole: DistanceField
    body: DistanceField
    passage: Canal
    cortex: BoolArray | None
    heights: Heights
    body_volume_ml: float
    bone: BoneQuality | None
    voxel_mm: FloatArray = attrs.field(converter=frozen_vector)

    @property
    def canal(self) -> DistanceField:
        """Signed distance of the vertebral canal at this level, mm, negative inside it."""
        return self.passage.field

    @property
    def wall(self) -> FloatArray:
        """(3,) the body's posterior wall, plane y = wall[0] + wall[1] x + wall[2] z in its frame, mm."""
        return self.passage.wall

    @property
    def frame(self) -> str:
        """Name of its frame."""
        return f"vertebra_{self.level.value}"


@attrs.frozen(eq=False)
class FractureAssessment:
    """A vertebra's heights against what its neighbours lead one to expect."""

    level: VertebraLevel
    expected: Heights
    loss_percent: Heights
    genant: GenantGrade
    shape: FractureShape
    kyphosis_deg: float | None


@attrs.frozen(eq=False)
class Spine:
    """All modelled vertebrae with the assessment of each."""

    vertebrae: Mapping[VertebraLevel, Vertebra]
    assessments: Mapping[VertebraLevel, FractureAssessment]
    notes: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[VertebraLevel, ...]:
        """From head to foot."""
        return tuple(sorted(self.vertebrae, key=lambda v: v.ordinal))
