"""Step 5: ideal body minus collapsed body, as a closed solid with its volume accounted for."""

from __future__ import annotations

import attrs
import manifold3d
import numpy as np
import scipy.ndimage as ndi
import trimesh

from planning_core.anatomy.surface import closed_surface
from planning_core.anatomy.vertebra import Vertebra
from planning_core.cement.config import CementConfig
from planning_core.cement.template import Template
from planning_core.errors import PkpError
from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import BoolArray

CONSERVED = 1e-6
CANAL_HALF_MM = 12.0
"""Bone outside the ideal body counts as retropulsed where it faces the canal."""


class BooleanError(PkpError):
    """A subtraction that lost or made volume. Carries ``relative``."""

    code = "boolean"


@attrs.frozen(eq=False)
class Defect:
    """What is missing.

    Args:
        solid: closed surface in ct_lps mm, empty where nothing is missing. volume_ml: of it.
        sliver_ml: loose pieces that were dropped.
        retropulsed_ml: collapsed bone more than half a voxel behind the ideal posterior wall.
        bulged_ml: other bone outside the ideal body.
        conserved: |A−B| + |A∩B| over |A|, minus one.
    """

    solid: trimesh.Trimesh
    volume_ml: float
    sliver_ml: float
    retropulsed_ml: float
    bulged_ml: float
    conserved: float


def subtract(target: Vertebra, template: Template, config: CementConfig) -> Defect:
    """Cut the collapsed body out of the ideal one, above and below the columns that still stand.

    Walls that differ sideways are another patient-typical shape, not collapse: only columns through the collapsed body
    count. What a column encloses, a cleft say, is not missing height.

    Raises:
        BooleanError: |A−B| differs from |A| − |A∩B| by more than 1e-6 of |A|.
    """
    ideal = template.ideal
    body = target.body.on(ideal.grid)
    outside = np.where(_footprint(body, config), -np.inf, 1.0).astype(np.float32)[None]
    intact = _manifold(DistanceField(np.maximum(ideal.values, outside), ideal.grid))
    collapsed = _manifold(_columns(body))
    difference, common = intact - collapsed, intact ^ collapsed
    total = intact.volume()
    conserved = (difference.volume() + common.volume()) / total - 1 if total > 0 else 0.0
    if abs(conserved) > CONSERVED:
        raise BooleanError(f"subtraction does not conserve volume: off by {conserved:.2e} of the body", relative=conserved)
    pieces = difference.decompose()
    kept = [p for p in pieces if p.volume() / 1000 >= config.sliver_ml]
    dropped = sum(p.volume() for p in pieces) - sum(p.volume() for p in kept)
    whole = manifold3d.Manifold.batch_boolean(kept, manifold3d.OpType.Add) if kept else manifold3d.Manifold()
    facing = np.abs(ideal.grid.all_points()[..., 0]) < CANAL_HALF_MM
    # two walls in one place differ by half a voxel
    behind = (body.values < 0) & (template.behind_mm > 0.5 * float(target.voxel_mm[1])) & facing
    beyond = (body.values < 0) & (ideal.values > 0) & ~behind
    return Defect(
        _mesh(whole, target),
        float(sum(p.volume() for p in kept)) / 1000,
        float(dropped) / 1000,
        float(behind.sum()) * body.grid.voxel_ml,
        float(beyond.sum()) * body.grid.voxel_ml,
        float(conserved),
    )


def missing_ml(target: Vertebra, ideal: DistanceField, config: CementConfig) -> float:
    """The same volume by partial voxels, for comparing ideals with each other without a Boolean."""
    body = target.body.on(ideal.grid)
    h = float(body.grid.spacing_mm[0])
    wanted, stands = (np.clip(0.5 - f.values / h, 0, 1) for f in (ideal, _columns(body)))
    return float((np.maximum(wanted - stands, 0) * _footprint(body, config)).sum()) * body.grid.voxel_ml


def _footprint(body: DistanceField, config: CementConfig) -> BoolArray:
    """(nj, ni) columns through the body, and a margin around them."""
    away = ndi.distance_transform_edt(~(body.values < 0).any(axis=0)) * float(body.grid.spacing_mm[0])
    return np.asarray(away <= config.footprint_margin_mm + 0.5)


def _columns(body: DistanceField) -> DistanceField:
    """The body with everything between the lowest and highest bone of each column filled."""
    above = np.minimum.accumulate(body.values[::-1], axis=0)[::-1]
    below = np.minimum.accumulate(body.values, axis=0)
    return DistanceField(np.maximum(above, below), body.grid)


def _manifold(field: DistanceField) -> manifold3d.Manifold:
    surface = closed_surface(field)
    mesh = manifold3d.Mesh64(np.asarray(surface.vertices, np.float64), np.asarray(surface.faces, np.uint64))
    mesh.merge()
    return manifold3d.Manifold(mesh)


def _mesh(solid: manifold3d.Manifold, target: Vertebra) -> trimesh.Trimesh:
    mesh = solid.to_mesh64()
    points = np.asarray(mesh.vert_properties)[:, :3]
    return trimesh.Trimesh(target.ct_lps_from_vertebra.apply(points), np.asarray(mesh.tri_verts), process=False)
