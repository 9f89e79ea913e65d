"""What others open: label map, surfaces, DICOM segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import manifold3d
import numpy as np
import SimpleITK as sitk
import trimesh

from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.surface import closed_surface
from planning_core.anatomy.vertebra import Spine
from planning_core.case.folder import Case
from planning_core.cement.plan import CementPlan
from planning_core.geometry import Grid
from planning_core.trajectory.plan import Trajectory, TrajectoryPlan

FORMATS: dict[str, dict[str, Any]] = {"stl": {}, "ply": {"vertex_normal": False}}
SECTIONS = 24
SHORTEST_MM = (0.001, 0.003, 0.01, 0.03)


def write_labels(case: Case, segmentation: SpineSegmentation) -> Path:
    """``labels.nii.gz``: VerSe ids on the input's own grid."""
    return case.write_with(
        "labels.nii.gz", lambda place: sitk.WriteImage(as_image(segmentation.labels, segmentation.grid), str(place))
    )


def as_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """An array (nk, nj, ni) with its grid as a SimpleITK image."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in grid.spacing_mm])
    image.SetOrigin([float(o) for o in grid.origin_mm])
    image.SetDirection([float(d) for d in grid.direction.ravel()])
    return image


def write_surfaces(case: Case, surfaces: Mapping[str, trimesh.Trimesh]) -> list[Path]:
    """``surfaces/*.stl`` and ``.ply``.

    STL is what printers and CAD read; PLY keeps which triangles share a point, so it is closed without being mended.
    """
    return [
        case.write(f"surfaces/{name}.{kind}", mesh.export(file_type=kind, **options))
        for name, mesh in surfaces.items()
        for kind, options in FORMATS.items()
    ]


def surfaces_of(spine: Spine, cement: CementPlan, trajectories: TrajectoryPlan) -> dict[str, trimesh.Trimesh]:
    """Closed surfaces in ct_lps mm by file name: every vertebra, the planned body, its ideal, the defect and the paths."""
    meshes = {f"{level.value}_vertebra": closed_surface(v.whole, v.ct_lps_from_vertebra) for level, v in spine.vertebrae.items()}
    target = spine.vertebrae[cement.level]
    meshes[f"{cement.level.value}_body"] = closed_surface(target.body, target.ct_lps_from_vertebra)
    meshes[f"{cement.level.value}_ideal_body"] = closed_surface(cement.ideal, target.ct_lps_from_vertebra)
    if not cement.defect.is_empty:
        meshes[f"{cement.level.value}_defect"] = cement.defect
    for path in trajectories.paths:
        meshes[f"path_{path.side.value}_{path.kind.value}"] = path_mesh(path)
    return {name: storable(mesh) for name, mesh in sorted(meshes.items())}


def storable(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A closed surface that stays closed when its points are stored.

    Both formats hold single precision, in which points a few nanometres apart become one: their triangles collapse and
    whoever reads the file finds a hole. Edges shorter than some micrometres are taken out first, more if that is not
    enough; a solid that truly touches itself in a point is written as it is.
    """
    solid = _solid(mesh)
    for shortest_mm in SHORTEST_MM:
        out = solid.simplify(shortest_mm).to_mesh64()
        points = np.asarray(out.vert_properties)[:, :3].astype(np.float32)
        ordered = points[np.lexsort(points.T)]
        if (ordered[1:] != ordered[:-1]).any(axis=1).all():
            break
    return trimesh.Trimesh(points, np.asarray(out.tri_verts), process=False)


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
    whole = manifold3d.Manifold.batch_boolean([_solid(p) for p in pieces], manifold3d.OpType.Add).to_mesh64()
    return trimesh.Trimesh(np.asarray(whole.vert_properties)[:, :3], np.asarray(whole.tri_verts), process=False)


def _solid(mesh: trimesh.Trimesh) -> manifold3d.Manifold:
    # copies: manifold3d takes no read-only arrays, which its own meshes are
    return manifold3d.Manifold(
        manifold3d.Mesh64(np.array(mesh.vertices, np.float64, order="C"), np.array(mesh.faces, np.uint64, order="C"))
    )
