"""What a mean shape carries: parts, endplate rims, canal and pedicles' axes, found by the tools that find them in a patient."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.body import Canal, ModelError, cut_body, endplates, find_canal_in
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.morphometry import measure_heights
from planning_core.anatomy.parts import name_parts
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.shape_model.model import Anchors
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.surface import vertex_normals
from planning_core.anatomy.vertebra import Part, Side, Vertebra
from planning_core.geometry import DistanceField, Grid, RigidTransform
from planning_core.geometry.arrays import FloatArray, IntArray, LabelArray
from planning_core.geometry.solid import inside_mesh

GRID_MM = 1.0
MARGIN_MM = 8.0
UNDER_MM = 1.2
"""A vertex's part is read this far under the surface."""
RIM_POINTS = 24
AXIS_HALF_MM = 10.0
"""The two points of a pedicle's axis lie this far behind and in front of its isthmus."""
SECTION_HALF_MM, SECTION_STEP_MM = 13.0, 0.7
CONVERGENCE_DEG, SAGITTAL_DEG = (-12, 42, 3), (-24, 27, 3)
ANCHORS = 32
CANAL_MM = 2.5
FACING = -0.4


@attrs.frozen(eq=False)
class Anatomy:
    """Anatomy of a mean shape; fields as in ``ShapeModel``, and its ``canal_field`` and posterior ``wall``."""

    parts: LabelArray
    rims: IntArray
    pedicles: Anchors
    pedicle_width_mm: FloatArray
    canal: IntArray
    wall: FloatArray
    isthmus: FloatArray


def field_of(vertices: FloatArray, triangles: IntArray, spacing_mm: float = GRID_MM) -> DistanceField:
    """Signed distance of a mesh on a grid around it, its own frame along the axes."""
    low = np.floor((vertices.min(axis=0) - MARGIN_MM) / spacing_mm) * spacing_mm
    size = np.ceil((vertices.max(axis=0) + MARGIN_MM - low) / spacing_mm).astype(int)
    grid = Grid(size[::-1], [spacing_mm] * 3, low, np.eye(3), "vertebra")
    return DistanceField.from_mask(inside_mesh(vertices, triangles, grid), grid)


def find_anatomy(region: Region, mean: FloatArray, triangles: IntArray) -> Anatomy:
    """The anatomy of a mean shape (n, 3) in the vertebra's frame.

    Raises:
        ModelError: no canal or no pedicle in it: the correspondence has failed.
    """
    vertebra = _vertebra(region, field_of(mean, triangles))
    whole, canal = vertebra.whole, vertebra.passage
    normals = vertex_normals(mean, triangles)
    parts = _parts(mean, normals, name_parts(vertebra), whole.grid)
    pedicles = measure_pedicles(vertebra)
    if len(pedicles) < 2:
        raise ModelError(f"the mean of {region.value} has {len(pedicles)} pedicle(s)", level=region.value, step="pedicles")
    both = [pedicles[side] for side in (Side.LEFT, Side.RIGHT)]
    axes = [narrowest_axis(whole, p.centre_lps_mm, sign) for p, sign in zip(both, (1.0, -1.0), strict=True)]
    ends = [p.centre_lps_mm + sign * AXIS_HALF_MM * axis for p, axis in zip(both, axes, strict=True) for sign in (-1, 1)]
    return Anatomy(
        parts,
        _rims(mean, parts),
        _anchored(np.array(ends), mean),
        np.array([p.width_mm for p in both]),
        _lining(mean, normals, canal),
        canal.wall,
        np.array([p.centre_lps_mm for p in both]),
    )


def _vertebra(region: Region, whole: DistanceField) -> Vertebra:
    """A mean shape as if it were a patient's vertebra, its own frame taken for the CT's."""
    canal = find_canal_in(whole)
    if canal is None:
        raise ModelError(f"the mean of {region.value} encloses no canal", level=region.value, step="canal")
    here = RigidTransform.from_parts("ct_lps", "vertebra", np.eye(3), np.zeros(3))
    body = cut_body(whole, canal)
    heights = measure_heights(endplates(body), AnatomyConfig())
    return Vertebra(region.levels[0], here, whole, body, canal, None, heights, body.volume_ml(), None, whole.grid.spacing_mm)


def narrowest_axis(whole: DistanceField, isthmus: FloatArray, sign: float) -> FloatArray:
    """(3,) unit direction forward through a pedicle: normal to the plane through its isthmus that cuts least bone.

    Args:
        whole: signed distance in the vertebra's frame. isthmus: (3,). sign: 1 on the left, -1 on the right.
    """
    steps = np.arange(-SECTION_HALF_MM, SECTION_HALF_MM + 1e-9, SECTION_STEP_MM)
    best, least = np.array([0.0, -1.0, 0.0]), np.inf
    for transverse in np.radians(np.arange(*CONVERGENCE_DEG)):
        for sagittal in np.radians(np.arange(*SAGITTAL_DEG)):
            forward = np.array([-sign * np.tan(transverse), -1.0, np.tan(sagittal)])
            forward /= np.linalg.norm(forward)
            across = np.cross(forward, [0.0, 0.0, 1.0])
            across /= np.linalg.norm(across)
            up = np.cross(across, forward)
            plane = isthmus + steps[:, None, None] * up + steps[None, :, None] * across
            bone, _ = ndi.label(whole.at(plane) < 0)
            middle = bone[len(steps) // 2, len(steps) // 2]
            area = float((bone == middle).sum()) if middle else np.inf
            if area < least:
                best, least = forward, area
    return best


def _parts(mean: FloatArray, normals: FloatArray, parts: LabelArray, grid: Grid) -> LabelArray:
    bone = (parts != Part.OUTSIDE) & (parts != Part.CANAL)
    nearest = ndi.distance_transform_edt(~bone, return_distances=False, return_indices=True)
    rounded = np.round(grid.indices(mean - UNDER_MM * normals)).astype(int)
    index = tuple(np.clip(rounded, 0, np.array(grid.shape) - 1).T)
    return np.asarray(parts[tuple(axis[index] for axis in nearest)])


def _rims(mean: FloatArray, parts: LabelArray) -> IntArray:
    """Per endplate the vertices furthest out and up (down) in each of several directions round the body's middle."""
    body = np.flatnonzero(parts == Part.BODY)
    points = mean[body]
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    scaled = (points - (low + high) / 2) / ((high - low) / 2)
    rims = []
    for sign in (1.0, -1.0):
        chosen = []
        for angle in np.arange(RIM_POINTS) * 2 * np.pi / RIM_POINTS:
            out = np.array([np.sin(angle), -np.cos(angle)])
            score = scaled[:, :2] @ out + sign * scaled[:, 2] - 0.5 * np.abs(scaled[:, 0] * out[1] - scaled[:, 1] * out[0])
            chosen.append(body[int(score.argmax())])
        rims.append(chosen)
    return np.array(rims)


def _anchored(points: FloatArray, mean: FloatArray) -> Anchors:
    """Each point (p, 3) as a combination of the nearest vertices that is exact for affine maps (moving least squares)."""
    chosen, weights = [], []
    for point in points:
        away = np.linalg.norm(mean - point, axis=1)
        near = np.argsort(away, kind="stable")[:ANCHORS]
        trust = 1 / np.maximum(away[near], 1.0) ** 2
        design = np.column_stack([np.ones(ANCHORS), mean[near] - point])
        inverse = np.linalg.inv(design.T @ (trust[:, None] * design))
        chosen.append(near)
        weights.append(trust * (design @ inverse[:, 0]))
    return Anchors(np.array(chosen), np.array(weights))


def _lining(mean: FloatArray, normals: FloatArray, canal: Canal) -> IntArray:
    near = np.abs(canal.field.at(mean)) < CANAL_MM
    facing = np.einsum("ij,ij->i", canal.field.gradient_at(mean, 1.0), normals) < FACING
    reach = np.percentile(mean[near][:, 2], (5, 95)) if near.any() else (0.0, 0.0)
    return np.flatnonzero(near & facing & (mean[:, 2] >= reach[0]) & (mean[:, 2] <= reach[1]))
