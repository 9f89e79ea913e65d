"""From named masks to measured vertebrae."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from planning_core.anatomy.body import Canal, ModelError, cut_body, endplates, find_canal_in
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.fracture import assess
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.morphometry import bone_quality, measure_heights
from planning_core.anatomy.pose import VertebraPose, body_centre, chain_directions
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.geometry import DistanceField, Grid, RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume

HALF_WIDTH_MM = 58.0
BEFORE_BEHIND_MM = (-36.0, 78.0)
BELOW_ABOVE_MM = (-54.0, 42.0)
LARGEST_CORRECTION_DEG = 25.0
LEAST_BODY_ML = 3.0


def model_spine(
    segmentation: SpineSegmentation,
    ct: CtVolume | None,
    levels: Sequence[VertebraLevel] | None = None,
    config: AnatomyConfig | None = None,
) -> Spine:
    """Model every complete vertebra, or those asked for.

    Args:
        segmentation: masks by level. ct: for HU; None from masks alone.
        levels: which to model; all by default. Of several, one that cannot be modelled is left out with a note.

    Raises:
        ModelError: the only level asked for cannot be modelled.
    """
    config = config or AnatomyConfig()
    chosen = segmentation.levels if levels is None else tuple(v for v in segmentation.levels if v in levels)
    vertebrae: dict[VertebraLevel, Vertebra] = {}
    notes = list(segmentation.notes)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each is array work that lets go of the interpreter
        fields = segmentation.boundaries
        centres = dict(zip(fields, pool.map(lambda f: body_centre(f.values < 0, f.grid), fields.values()), strict=True))
        directions = _directions(centres)
        models = {
            level: pool.submit(
                model_vertebra, level, fields[level], directions[level], segmentation.grid, ct, config, centres[level]
            )
            for level in chosen
        }
    for level, model in models.items():
        try:
            vertebrae[level] = model.result()
        except ModelError as error:
            if levels is not None and len(levels) == 1:
                raise
            notes.append(error.message)
    return Spine(vertebrae, assess(vertebrae, config), tuple(notes))


def model_vertebra(
    level: VertebraLevel,
    boundary: DistanceField,
    superior: FloatArray,
    input_grid: Grid,
    ct: CtVolume | None,
    config: AnatomyConfig,
    centre: FloatArray | None = None,
) -> Vertebra:
    """Model one vertebra.

    Args:
        boundary: signed distance of its surface in ct_lps. superior: (3,) direction to the head along the spine.
        centre: (3,) ``body_centre`` of it, where that is known.

    Raises:
        ModelError: no canal, no body or no endplates can be told in the mask.
    """
    mask = boundary.values < 0
    if centre is None:
        centre = body_centre(mask, boundary.grid)
    backwards = boundary.grid.points(np.argwhere(mask).mean(axis=0)) - centre
    pose = VertebraPose.facing(centre, superior, backwards)
    frame = f"vertebra_{level.value}"
    for _ in range(2):  # the pose settles on a coarse grid, the measures are taken on a fine one
        coarse = _in_frame(boundary, pose, frame, max(2.0, config.grid_mm))
        pose = _aligned(pose, *_canal_and_body(level, coarse), superior)
    whole = _with_volume(_in_frame(boundary, pose, frame, config.grid_mm), float(mask.sum()) * boundary.grid.voxel_ml)
    canal, body = _canal_and_body(level, whole)
    to_ct = _transform(pose, frame)
    ends = endplates(body)
    cortex, bone = bone_quality(body, to_ct, ct, config) if ct is not None else (None, None)
    return Vertebra(
        level,
        to_ct,
        whole,
        body,
        canal,
        cortex,
        measure_heights(ends, config),
        body.volume_ml(),
        bone,
        _voxel_in_frame(input_grid, pose),
    )


def _canal_and_body(level: VertebraLevel, whole: DistanceField) -> tuple[Canal, DistanceField]:
    canal = find_canal_in(whole)
    if canal is None:
        raise ModelError(f"{level.value}: no canal is enclosed by its mask", level=level.value, step="canal")
    body = cut_body(whole, canal)
    if body.volume_ml() < LEAST_BODY_ML:
        raise ModelError(f"{level.value}: a body of {body.volume_ml():.1f} ml", level=level.value, step="body")
    return canal, body


def _directions(centres: Mapping[VertebraLevel, FloatArray]) -> Mapping[VertebraLevel, FloatArray]:
    """Superior direction at each level, from the chain of the centres (3,) of all complete vertebrae."""
    ordered = sorted(centres, key=lambda v: v.ordinal)
    if len(ordered) == 1:
        return {ordered[0]: np.array([0.0, 0.0, 1.0])}
    ups = chain_directions(np.array([centres[v] for v in ordered]))
    return dict(zip(ordered, ups, strict=True))


def _transform(pose: VertebraPose, frame: str) -> RigidTransform:
    return RigidTransform.from_parts("ct_lps", frame, pose.axes, pose.centre_lps_mm)


def _in_frame(boundary: DistanceField, pose: VertebraPose, frame: str, h: float) -> DistanceField:
    low = np.array([-HALF_WIDTH_MM, BEFORE_BEHIND_MM[0], BELOW_ABOVE_MM[0]])
    high = np.array([HALF_WIDTH_MM, BEFORE_BEHIND_MM[1], BELOW_ABOVE_MM[1]])
    size = np.round((high - low) / h).astype(int) + 1
    return boundary.moved(_transform(pose, frame).inverse(), Grid(size[::-1], [h] * 3, low, np.eye(3), frame))


def _with_volume(field: DistanceField, volume_ml: float) -> DistanceField:
    """The field with its zero level moved (by a few hundredths of a mm) until resampling has changed no volume."""
    offset = 0.0
    area = max(float((np.abs(field.values) < 1).sum()) * field.grid.voxel_ml / 2, 1e-3)  # ml per mm of offset
    for _ in range(4):
        offset += (DistanceField(field.values + np.float32(offset), field.grid).volume_ml() - volume_ml) / area
    return DistanceField(field.values + np.float32(offset), field.grid)


def _aligned(pose: VertebraPose, canal: Canal, body: DistanceField, superior: FloatArray) -> VertebraPose:
    """The pose between the body's endplates, facing away from its canal, centred in the body."""
    ends = endplates(body)
    normal = ends.normal(ends.top) + ends.normal(ends.bottom)
    normal /= np.linalg.norm(normal)
    up = pose.axes @ normal
    lean = np.degrees(np.arccos(np.clip(up @ superior, -1, 1)))
    if lean > LARGEST_CORRECTION_DEG:  # crushed endplates say little: trust the spine's line
        up = superior
    middle = body.grid.points(np.argwhere(body.values < 0).mean(axis=0))
    back = pose.axes @ np.array([canal.centre[0] - middle[0], canal.centre[1] - middle[1], 0.0])
    return VertebraPose.facing(pose.centre_lps_mm + pose.axes @ middle, up, back)


def _voxel_in_frame(grid: Grid, pose: VertebraPose) -> FloatArray:
    """(3,) mm: the input's voxel size seen along the vertebra's x, y, z."""
    steps = np.abs(pose.axes.T @ grid.direction) * grid.spacing_mm
    return np.asarray(steps.max(axis=1))
