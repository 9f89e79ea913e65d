"""Closed surfaces of what was modelled and planned, fit to be stored."""

from __future__ import annotations

import manifold3d
import numpy as np
import trimesh

from planning_core.anatomy.surface import closed_surface
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.cement.plan import CementPlan
from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import Float32Array
from planning_core.trajectory.plan import Trajectory, TrajectoryPlan

SECTIONS = 24
SHORTEST_MM = (0.001, 0.003, 0.01, 0.03)


def bone_surfaces(spine: Spine) -> dict[str, trimesh.Trimesh]:
    """Closed surfaces of every vertebra in ct_lps mm, by file name."""
    return {f"{v.value}_vertebra": _storable_surface(one.whole, one) for v, one in spine.vertebrae.items()}


def cement_surfaces(target: Vertebra, cement: CementPlan) -> dict[str, trimesh.Trimesh]:
    """Closed surfaces in ct_lps mm by file name: the planned body, its ideal and the defect."""
    surfaces = {
        f"{cement.level.value}_body": _storable_surface(target.body, target),
        f"{cement.level.value}_ideal_body": _storable_surface(cement.ideal, target),
    }
    if not cement.defect.is_empty:
        surfaces[f"{cement.level.value}_defect"] = storable(cement.defect)
    return surfaces


def path_surfaces(trajectories: TrajectoryPlan) -> dict[str, trimesh.Trimesh]:
    """Closed surfaces of the paths in ct_lps mm, by file name."""
    return {f"path_{path.side.value}_{path.kind.value}": storable(path_mesh(path)) for path in trajectories.paths}


def _storable_surface(field: DistanceField, vertebra: Vertebra) -> trimesh.Trimesh:
    return storable(closed_surface(field, vertebra.ct_lps_from_vertebra))


def storable(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A closed surface that stays closed when its points are stored.

    Both formats hold single precision, in which points a few nanometres apart become one: their triangles collapse and
    whoever reads the file finds a hole. Edges shorter than some micrometres are taken out first, more if that is not
    enough; a solid that truly touches itself in a point is written as it is.
    """
    solid = solid_of(mesh)
    for shortest_mm in SHORTEST_MM:
        out = solid.simplify(shortest_mm).to_mesh64()
        points = np.asarray(out.vert_properties)[:, :3].astype(np.float32)
        if _all_differ(points):
            break
    return trimesh.Trimesh(points, np.asarray(out.tri_verts), process=False)


def _all_differ(points: Float32Array) -> bool:
    """Whether no two of the points (n, 3) are the same."""
    # one number per point sorts faster than three: equal points have equal numbers, and different ones hardly ever do
    x, y, z = (points + np.float32(0)).view(np.uint32).astype(np.uint64).T  # no negative zero
    numbers = np.sort(x * np.uint64(0x9E3779B97F4A7C15) + y * np.uint64(0xC2B2AE3D27D4EB4F) + z)
    if (numbers[1:] != numbers[:-1]).all():
        return True
    ordered = points[np.lexsort(points.T)]
    return bool((ordered[1:] != ordered[:-1]).any(axis=1).all())


def path_mesh(path: Trajectory, beyond_mm: float = 0.0) -> trimesh.Trimesh:
    """A path as one closed solid at the cannula's width, drawn out by ``beyond_mm`` behind the entry; a bend is a round joint."""
    way = np.array(path.waypoints_lps_mm)
    back = (way[0] - way[1]) / np.linalg.norm(way[0] - way[1])
    way[0] = way[0] + beyond_mm * back
    radius = path.diameter_mm / 2
    pieces = [trimesh.creation.cylinder(radius, segment=way[n : n + 2], sections=SECTIONS) for n in range(len(way) - 1)]
    if len(pieces) == 1:
        return pieces[0]
    for bend in way[1:-1]:
        joint = trimesh.creation.icosphere(subdivisions=2, radius=radius)
        pieces.append(joint.apply_translation(bend))
    whole = manifold3d.Manifold.batch_boolean([solid_of(p) for p in pieces], manifold3d.OpType.Add).to_mesh64()
    return trimesh.Trimesh(np.asarray(whole.vert_properties)[:, :3], np.asarray(whole.tri_verts), process=False)


def solid_of(mesh: trimesh.Trimesh) -> manifold3d.Manifold:
    """A closed surface as a solid that can be cut and joined."""
    # copies: manifold3d takes no read-only arrays, which its own meshes are
    return manifold3d.Manifold(
        manifold3d.Mesh64(np.array(mesh.vertices, np.float64, order="C"), np.array(mesh.faces, np.uint64, order="C"))
    )
