"""Sentences on a path that a surgeon should read before trusting it."""

from __future__ import annotations

import numpy as np

from planning_core.trajectory.cost import Task
from planning_core.trajectory.measures import PathMeasures
from planning_core.trajectory.plan import PathKind


def way_remarks(task: Task, path: PathMeasures) -> tuple[str, ...]:
    """What a surgeon should know about the way in; the first of the measured paths counts."""
    said = []
    config = task.config
    if path.other_mm[0] < task.radius_mm:
        said.append(f"the cannula touches a neighbouring vertebra (axis {path.other_mm[0]:.1f} mm from its surface): facet joint")
    if path.incidence_cos[0] < config.least_incidence_cos:
        said.append(
            f"flat entry, {np.degrees(np.arccos(np.clip(path.incidence_cos[0], -1, 1))):.0f}° off the surface's normal: may skive"
        )
    if path.ahead_mm[0] < config.anterior_margin_mm:
        said.append(f"only {path.ahead_mm[0]:.1f} mm of bone ahead of the tip")
    return tuple(said)


def doubts(task: Task, clearance: float, breach: float, half_voxel_mm: float) -> tuple[str, ...]:
    """What speaks against trusting a clearance (mm), given the probability of a breach and half the voxel's width."""
    config = task.config
    said = []
    if task.kind is PathKind.EXTRAPEDICULAR:
        said.append("extrapedicular: clearance is to the canal; ribs, pleura and segmental vessels are not modelled")
    elif clearance < config.wanted_clearance_mm:
        said.append(f"clearance {clearance:.1f} mm is below the wanted {config.wanted_clearance_mm:g} mm")
    if breach > config.doubtful_breach:
        said.append(f"a breach is likely ({breach:.0%} under the stated errors)")
    if clearance < half_voxel_mm:
        said.append(f"clearance {clearance:.1f} mm is no more than the wall is known to ({half_voxel_mm:.1f} mm)")
    return tuple(said)
