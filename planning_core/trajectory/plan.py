"""What the trajectory stage hands on."""

from __future__ import annotations

from enum import Enum

import attrs
import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Side
from planning_core.geometry.arrays import FloatArray, frozen_float64


class PathKind(Enum):
    """The ways into a vertebral body."""

    TRANSPEDICULAR = "transpedicular"
    CROSSING = "unipedicular_crossing"
    EXTRAPEDICULAR = "extrapedicular"
    CURVED = "curved"


class BreachGrade(Enum):
    """Gertzbein and Robbins 1990: how far the cannula leaves the pedicle: 0, <2, <4, <6, ≥6 mm."""

    A, B, C, D, E = "A", "B", "C", "D", "E"


@attrs.frozen
class WallMargins:
    """Bone between cannula and pedicle wall at its tightest, per direction, mm (negative: outside)."""

    medial_mm: float
    lateral_mm: float
    cranial_mm: float
    caudal_mm: float


@attrs.frozen(eq=False)
class Trajectory:
    """One needle path.

    Args:
        side: the pedicle it enters by. kind: how.
        waypoints_lps_mm: (n, 3) ct_lps: entry on the bone's surface, (bend for a curved path), target. On X-rays they are in the
            views' frame, whose axes are L, P and S too.
        diameter_mm: outer diameter of the cannula.
        clearance_mm: least distance between the cannula's surface and the wall of the pedicle, over the pedicle.
            Extrapedicular paths have no wall around them: there the canal's.
        canal_mm: least distance between the cannula's surface and the canal, over the whole path.
        endplate_mm: least distance between the cannula's surface and an endplate.
        resolution_mm: half the voxel size across the pedicle, to be taken off every margin by the reader.
        anterior_mm: bone ahead of the tip along the path.
        p_breach: probability that any part of the cannula leaves the pedicle's wall under the error budget.
        p_breach_error: standard error of that probability (Monte Carlo).
        convergence_deg, sagittal_deg: direction against the vertebra's sagittal and axial planes.
        skin_mm: way from skin to entry; ``None`` without CT or outside the field of view.
        warnings: sentences for the report.
    """

    side: Side
    kind: PathKind
    waypoints_lps_mm: FloatArray = attrs.field(converter=frozen_float64)
    diameter_mm: float
    grade: BreachGrade
    margins: WallMargins
    clearance_mm: float
    canal_mm: float
    endplate_mm: float
    anterior_mm: float
    resolution_mm: float
    p_breach: float
    p_breach_error: float
    convergence_deg: float
    sagittal_deg: float
    skin_mm: float | None
    warnings: tuple[str, ...] = ()

    @property
    def entry_lps_mm(self) -> FloatArray:
        """(3,) where the cannula meets bone."""
        return np.asarray(self.waypoints_lps_mm[0])

    @property
    def target_lps_mm(self) -> FloatArray:
        """(3,) where its tip ends."""
        return np.asarray(self.waypoints_lps_mm[-1])

    @property
    def depth_mm(self) -> float:
        """Length inside bone along the path."""
        return float(np.linalg.norm(np.diff(self.waypoints_lps_mm, axis=0), axis=1).sum())


@attrs.frozen
class ErrorBudget:
    """Errors between plan and needle, independent of each other.

    Args:
        registration_mm, tracker_mm, arm_mm: RMS of the displacement's length in 3D, the way trackers and papers state it.
        segmentation_mm: standard deviation of the wall along its normal.
        angle_deg: RMS of the angle between planned and real direction.
    """

    registration_mm: float
    tracker_mm: float
    arm_mm: float
    segmentation_mm: float
    angle_deg: float


@attrs.frozen
class RefusedPath:
    """Why a side has no path of a kind."""

    side: Side
    kind: PathKind
    why: str

    def __str__(self) -> str:
        return f"{self.side.value} {self.kind.value}: {self.why}"


@attrs.frozen(eq=False)
class TrajectoryPlan:
    """All paths of one level, best first; ``refused`` says why a kind or side has none."""

    level: VertebraLevel
    paths: tuple[Trajectory, ...]
    refused: tuple[RefusedPath, ...]
    budget: ErrorBudget
    seed: int
