"""What the cement stage hands on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

import attrs

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Heights
from planning_core.geometry import DistanceField

if TYPE_CHECKING:
    import trimesh  # a third of a second in every node that opens a plan


class Verdict(Enum):
    """What the planner thinks of its own number."""

    ACCEPT = "accept"
    REVIEW = "review"
    REFUSE = "refuse"


@attrs.frozen
class VolumeInterval:
    """A volume with the range that covers the truth in about nine of ten, ml; 0 ≤ low ≤ value ≤ high."""

    value_ml: float
    low_ml: float
    high_ml: float

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.low_ml <= self.value_ml <= self.high_ml:
            raise ValueError(f"not an interval: {self.low_ml} <= {self.value_ml} <= {self.high_ml}")


@attrs.frozen
class SelfCheck:
    """Step 7: cortical heights of collapsed and ideal body in a longitudinal cut, against expectation."""

    collapsed: Heights
    ideal: Heights
    expected: Heights
    tolerance_mm: float
    passed: bool
    findings: tuple[str, ...]


@attrs.frozen(eq=False)
class CementPlan:
    """Cement for one level.

    Args:
        level: the collapsed vertebra.
        template: ``two neighbours``, ``one neighbour``, ``level trend`` or ``shape model``.
        neighbours: levels the template was made of.
        ideal: signed distance of the intact body, in the vertebra's frame.
        defect: closed surface of the defect, ct_lps mm (may be empty: a healthy level).
        deficit: the geometric defect volume with its interval.
        deficit_liquid: the same through the product's expansion coefficient, ml of liquid cement.
        recommended: liquid ml after policy (share of deficit, share of body, level range, leak caution).
        fill_percent: recommended set cement as a share of the ideal body.
        ideal_body_ml, collapsed_body_ml: the two bodies.
        sliver_ml: loose pieces of the subtraction that were dropped. retropulsed_ml: real bone outside the ideal body.
        interval_parts_ml: half-widths by cause (``fit residual``, ``neighbour disagreement``, ``voxel size``, …).
        product: name of the cement. expansion: its signed coefficient.
        policy: sentences that say which limit gave the recommended dose.
        self_check: step 7.
        verdict, reasons: accept, review or refuse, and why.
    """

    level: VertebraLevel
    template: str
    neighbours: tuple[VertebraLevel, ...]
    ideal: DistanceField
    defect: trimesh.Trimesh
    deficit: VolumeInterval
    deficit_liquid: VolumeInterval
    recommended: VolumeInterval
    fill_percent: float
    ideal_body_ml: float
    collapsed_body_ml: float
    sliver_ml: float
    retropulsed_ml: float
    interval_parts_ml: Mapping[str, float]
    product: str
    expansion: float
    policy: tuple[str, ...]
    self_check: SelfCheck
    verdict: Verdict
    reasons: tuple[str, ...]
