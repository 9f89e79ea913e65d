"""What a report is of."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import attrs
import manifold3d
import trimesh

from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.case.surfaces import bone_surfaces, cement_surfaces, path_surfaces, solid_of
from planning_core.cement.plan import CementPlan
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.plan import Trajectory, TrajectoryPlan


@attrs.frozen(eq=False)
class Made:
    """Surfaces in ct_lps mm, ahead of time.

    Args:
        surfaces: ``bone_surfaces`` and ``cement_surfaces``, by name. simple: some of them, and the canal, simplified for drawing.
    """

    surfaces: Mapping[str, trimesh.Trimesh] = attrs.field(factory=dict)
    simple: Mapping[str, trimesh.Trimesh] = attrs.field(factory=dict)

    def with_more(self, other: Made) -> Made:
        """Both."""
        return Made({**self.surfaces, **other.surfaces}, {**self.simple, **other.simple})


@attrs.frozen(eq=False)
class Subject:
    """All that is drawn.

    Args:
        made: what was made before of its surfaces and scene, by name; the rest is made when it is asked for.
    """

    ct: CtVolume | None
    segmentation: SpineSegmentation
    spine: Spine
    cement: CementPlan
    trajectories: TrajectoryPlan
    made: Made = attrs.field(factory=Made)

    @property
    def vertebra(self) -> Vertebra:
        """The planned one."""
        return self.spine.vertebrae[self.cement.level]

    @functools.cached_property
    def surfaces(self) -> dict[str, trimesh.Trimesh]:
        """By name, made once: the files and the scene hold the same ones."""
        made = self.made.surfaces
        if not made:
            made = {**bone_surfaces(self.spine), **cement_surfaces(self.vertebra, self.cement)}
        return {**made, **path_surfaces(self.trajectories)}

    @functools.cached_property
    def defect(self) -> manifold3d.Manifold:
        """The defect as a solid in ct_lps."""
        return solid_of(self.cement.defect)

    @property
    def shows_defect(self) -> bool:
        """Whether there is a defect to draw: two surfaces of a healthy body cross each other and would leave crumbs of one."""
        return not self.cement.defect.is_empty and self.cement.recommended.value_ml > 0


def best_paths(plan: TrajectoryPlan) -> list[Trajectory]:
    """The first path of each side: what is drawn in the standard slices."""
    chosen: dict[object, Trajectory] = {}
    for path in plan.paths:
        chosen.setdefault(path.side, path)
    return list(chosen.values())
