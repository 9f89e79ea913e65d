"""The scene in space: what stands in it, for the turning view and for its still picture."""

from __future__ import annotations

import base64
import json
from typing import Any

import attrs
import manifold3d
import numpy as np
import trimesh

from planning_core.anatomy.surface import OpenSurfaceError, closed_surface
from planning_core.case.report.canal import canal_at
from planning_core.case.report.colours import BODY, CANAL, DEFECT, IDEAL, OTHER, PATHS
from planning_core.case.report.subject import Subject, best_paths
from planning_core.case.surfaces import path_mesh
from planning_core.geometry import DistanceField

FACES = 6000
SIMPLIFY_MM = 0.35
CANAL_HALF_MM, CANAL_STEP_MM = 34.0, 2.0
OUTSIDE_MM = 45.0
"""How much of each needle stands out of the bone."""


@attrs.frozen(eq=False)
class Part:
    """One thing in the scene.

    Args:
        name: in the list beside the view. mesh: closed, ct_lps mm. colour: hex. opacity: 0..1.
        visible: shown at first.
    """

    name: str
    mesh: trimesh.Trimesh
    colour: str
    opacity: float
    visible: bool = True


def parts_of(subject: Subject) -> list[Part]:
    """The planned vertebra, its canal, defect, ideal body, paths and neighbours, each simplified for drawing."""
    level, surfaces = subject.cement.level, subject.surfaces
    parts = [Part("planned vertebra", surfaces[f"{level.value}_vertebra"], BODY, 0.45)]
    parts.append(Part("ideal body", surfaces[f"{level.value}_ideal_body"], IDEAL, 0.22, visible=False))
    canal = _canal(subject)
    if canal is not None:
        parts.append(Part("spinal canal", canal, CANAL, 0.35))
    if subject.shows_defect:
        parts.append(Part("defect", surfaces[f"{level.value}_defect"], DEFECT, 0.9))
    for other in subject.spine.levels:
        if other is not level and abs(other.ordinal - level.ordinal) <= 1:
            parts.append(Part(other.value, surfaces[f"{other.value}_vertebra"], OTHER, 0.35))
    for path in best_paths(subject.trajectories):
        parts.append(Part(f"{path.side.value} path", path_mesh(path, OUTSIDE_MM), PATHS[path.side.value], 1.0))
    return [attrs.evolve(part, mesh=_simplified(part.mesh)) for part in parts]


def as_json(subject: Subject, parts: list[Part]) -> str:
    """The scene for the page's script; every ``<`` is written as an escape, so that no text in it can end the element."""
    centre = [round(float(c), 2) for c in subject.vertebra.ct_lps_from_vertebra.translation_mm]
    return json.dumps({"centre": centre, "parts": [_record(part) for part in parts]}).replace("<", "\\u003c")


def _record(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "color": part.colour,
        "opacity": part.opacity,
        "visible": part.visible,
        "points": base64.b64encode(np.asarray(part.mesh.vertices, "<f4").tobytes()).decode(),
        "faces": base64.b64encode(np.asarray(part.mesh.faces, "<u4").tobytes()).decode(),
    }


def _canal(subject: Subject) -> trimesh.Trimesh | None:
    """The canal's surface, cut off above and below the planned vertebra, or where its course is not known."""
    vertebra = subject.vertebra
    grid = vertebra.canal.grid.resampled(CANAL_STEP_MM)
    points = grid.all_points()
    known = np.nan_to_num(canal_at(subject.spine, vertebra, points), nan=CANAL_HALF_MM)
    stump = DistanceField(np.maximum(known, np.abs(points[..., 2]) - CANAL_HALF_MM), grid)
    try:
        return closed_surface(stump, vertebra.ct_lps_from_vertebra)
    except OpenSurfaceError:
        return None  # a mask without an arch has none


def _simplified(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Fewer triangles for the picture: manifold3d's simplification within a third of a millimetre."""
    if len(mesh.faces) <= FACES:
        return mesh
    solid = manifold3d.Manifold(manifold3d.Mesh(np.array(mesh.vertices, np.float32, order="C"), np.array(mesh.faces, np.uint32)))
    out = solid.simplify(SIMPLIFY_MM).to_mesh()
    return trimesh.Trimesh(np.asarray(out.vert_properties)[:, :3], np.asarray(out.tri_verts), process=False)
