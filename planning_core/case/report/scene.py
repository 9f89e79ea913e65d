"""The scene in space: what stands in it, for the turning view and for its still picture."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import attrs
import manifold3d
import numpy as np
import trimesh

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.surface import OpenSurfaceError, closed_surface
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.case.report.canal import canal_at
from planning_core.case.report.colours import BODY, CANAL, DEFECT, IDEAL, OTHER, PATHS
from planning_core.case.report.subject import Subject, best_paths
from planning_core.case.surfaces import path_mesh
from planning_core.geometry import DistanceField

FACES = 6000
SIMPLIFY_MM = 0.35
CANAL_HALF_MM, CANAL_STEP_MM = 34.0, 2.0
CANAL_NAME = "canal"
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
    level, made = subject.cement.level, subject.made.simple

    def simple(name: str) -> trimesh.Trimesh:
        return made[name] if name in made else simplified(subject.surfaces[name])

    parts = [Part("planned vertebra", simple(f"{level.value}_vertebra"), BODY, 0.45)]
    parts.append(Part("ideal body", simple(f"{level.value}_ideal_body"), IDEAL, 0.22, visible=False))
    canal = made[CANAL_NAME] if CANAL_NAME in made else canal_surface(subject.spine, subject.vertebra)
    if canal is not None:
        parts.append(Part("spinal canal", canal, CANAL, 0.35))
    if subject.shows_defect:
        parts.append(Part("defect", simple(f"{level.value}_defect"), DEFECT, 0.9))
    for other in shown_neighbours(subject.spine, level):
        parts.append(Part(other.value, simple(f"{other.value}_vertebra"), OTHER, 0.35))
    for path in best_paths(subject.trajectories):
        parts.append(Part(f"{path.side.value} path", simplified(path_mesh(path, OUTSIDE_MM)), PATHS[path.side.value], 1.0))
    return parts


def shown_neighbours(spine: Spine, level: VertebraLevel) -> list[VertebraLevel]:
    """The levels beside the planned one that stand in the scene."""
    return [other for other in spine.levels if other is not level and abs(other.ordinal - level.ordinal) <= 1]


def simple_bones(spine: Spine, level: VertebraLevel, bones: Mapping[str, trimesh.Trimesh]) -> dict[str, trimesh.Trimesh]:
    """What of the scene is known before there is a plan, simplified for drawing, by name: ``Made.simple``."""
    simple = {name: simplified(bones[name]) for name in (f"{v.value}_vertebra" for v in (level, *shown_neighbours(spine, level)))}
    canal = canal_surface(spine, spine.vertebrae[level])
    return simple if canal is None else {**simple, CANAL_NAME: canal}


def simple_cement(level: VertebraLevel, surfaces: Mapping[str, trimesh.Trimesh]) -> dict[str, trimesh.Trimesh]:
    """The same of what the cement stage adds."""
    return {
        name: simplified(surfaces[name]) for name in (f"{level.value}_ideal_body", f"{level.value}_defect") if name in surfaces
    }


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


def canal_surface(spine: Spine, vertebra: Vertebra) -> trimesh.Trimesh | None:
    """The canal's surface, cut off above and below the planned vertebra, or where its course is not known; simplified."""
    grid = vertebra.canal.grid.resampled(CANAL_STEP_MM)
    points = grid.all_points()
    known = np.nan_to_num(canal_at(spine, vertebra, points), nan=CANAL_HALF_MM)
    stump = DistanceField(np.maximum(known, np.abs(points[..., 2]) - CANAL_HALF_MM), grid)
    try:
        return simplified(closed_surface(stump, vertebra.ct_lps_from_vertebra))
    except OpenSurfaceError:
        return None  # a mask without an arch has none


def simplified(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Fewer triangles for the picture: manifold3d's simplification within a third of a millimetre."""
    if len(mesh.faces) <= FACES:
        return mesh
    solid = manifold3d.Manifold(manifold3d.Mesh(np.array(mesh.vertices, np.float32, order="C"), np.array(mesh.faces, np.uint32)))
    out = solid.simplify(SIMPLIFY_MM).to_mesh()
    return trimesh.Trimesh(np.asarray(out.vert_properties)[:, :3], np.asarray(out.tri_verts), process=False)
