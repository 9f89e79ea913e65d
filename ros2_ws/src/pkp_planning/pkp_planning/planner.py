"""The planner node: reconstruction, cement, paths, and the whole planning walk; results lie in the case, by path and hash."""

from __future__ import annotations

import threading
from typing import Any

from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, PkpNode
from pkp_lifecycle.node import main as run
from pkp_lifecycle.worker import warm
from pkp_msgs.action import PlanCase, PlanCement, PlanTrajectory, Reconstruct
from pkp_msgs.msg import PlanReference
from pydantic import BaseModel, ConfigDict, Field

from pkp_planning.action_server import WorkServer
from pkp_planning.level_work import CementFacts, LevelJob, PathFacts, cement_of, paths_of
from pkp_planning.work import Job, PlanFacts, SegmentationFacts, plan_case, reconstruct
from pkp_planning.xray_work import reconstruct_xrays

HEAVY = (
    "planning_core.pipeline",
    "planning_core.anatomy.builtin",
    "planning_core.anatomy.modelling",
    "planning_core.cement.planner",
    "planning_core.trajectory.planner",
    "planning_core.case.contents",
    "planning_core.imaging.ingest",
)


class PlannerConfig(BaseModel):
    """Parameters of the planner."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    timeout_s: float = Field(600.0, gt=0, le=3600, description="for one goal")


class Planner(PkpNode[PlannerConfig]):
    """Serves Reconstruct (of a CT and of X-rays), PlanCement, PlanTrajectory and PlanCase, one goal at a time."""

    NAME, CONFIG, THREADS = "planner", PlannerConfig, 3

    def open(self) -> None:
        """Offer the actions."""
        warm(*HEAVY)
        self._plan = self.create_publisher(PlanReference, names.PLAN, KEPT)
        busy = threading.Lock()
        timeout_s = self.config.timeout_s
        self._servers = [
            WorkServer(self, Reconstruct, names.RECONSTRUCT, reconstruct, _job, _fill_segmentation, busy, timeout_s),
            WorkServer(self, Reconstruct, names.RECONSTRUCT_XRAYS, reconstruct_xrays, _job, _fill_segmentation, busy, timeout_s),
            WorkServer(self, PlanCement, names.PLAN_CEMENT, cement_of, _level_job, _fill_cement, busy, timeout_s),
            WorkServer(self, PlanTrajectory, names.PLAN_TRAJECTORY, paths_of, _level_job, _fill_paths, busy, timeout_s),
            WorkServer(self, PlanCase, names.PLAN_CASE, plan_case, _job, self._fill_plan, busy, timeout_s),
        ]

    def close(self) -> None:
        """Let go."""
        for server in getattr(self, "_servers", ()):
            server.destroy()
        if hasattr(self, "_servers"):
            self.destroy_publisher(self._plan)
            del self._servers

    def _fill_plan(self, facts: PlanFacts, result: PlanCase.Result) -> None:
        result.plan = PlanReference(
            case_path=facts.case_path,
            plan_hash=facts.plan_hash,
            level=facts.level,
            sides=list(facts.sides),
            ct_sha256=facts.ct_sha256,
        )
        result.recommended_volume, result.verdict, result.reasons = facts.recommended_volume, facts.verdict, list(facts.reasons)
        if facts.verdict != "refuse":  # a plan that must not be carried out is shown, and not offered for approval
            self._plan.publish(result.plan)


def _job(goal: Any) -> tuple[Job]:
    product = goal.product if isinstance(goal, PlanCase.Goal) else ""
    return (Job(goal.source, goal.series, goal.ct_sha256, goal.case_path, goal.level, tuple(goal.at), product),)


def _level_job(goal: Any) -> tuple[LevelJob]:
    product = goal.product if isinstance(goal, PlanCement.Goal) else ""
    return (LevelJob(goal.case_path, goal.segmentation_sha256, goal.level, product),)


def _fill_cement(facts: CementFacts, result: PlanCement.Result) -> None:
    result.recommended_volume, result.recommended_volume_low, result.recommended_volume_high = facts.recommended
    result.deficit_volume, result.verdict, result.reasons = facts.deficit, facts.verdict, list(facts.reasons)


def _fill_paths(facts: PathFacts, result: PlanTrajectory.Result) -> None:
    result.sides, result.grades = list(facts.sides), list(facts.grades)
    result.clearances, result.breach_probabilities = list(facts.clearances), list(facts.breach_probabilities)


def _fill_segmentation(facts: SegmentationFacts, result: Reconstruct.Result) -> None:
    result.segmentation_path, result.segmentation_sha256 = facts.path, facts.sha256
    result.levels, result.cut = list(facts.levels), list(facts.cut)
    result.numbering_confidence = facts.numbering_confidence


def main() -> int:
    """Run the node."""
    return run(Planner)


if __name__ == "__main__":
    raise SystemExit(main())
