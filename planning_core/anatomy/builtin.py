"""The built-in segmenter: canal, spine map, one vertebra at a time, names. Needs nothing but the shipped weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.body_chain import find_bodies
from planning_core.anatomy.canal_path import NoSpineError, find_canal
from planning_core.anatomy.instance import VertebraInstance, segment_instances
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.naming import name_instances, read_cues
from planning_core.anatomy.network import WEIGHTS, Network
from planning_core.anatomy.patches import REFINEMENT, SPINE_MAP, VERTEBRA
from planning_core.anatomy.refinement import refine
from planning_core.anatomy.segmentation import PartialVertebra, SpineSegmentation
from planning_core.anatomy.spine_map import map_spine
from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.resample import coarsen
from planning_core.imaging.volume import CtVolume

CUT_AREA_MM2 = 60.0
END_MM = 2.5
LEAST_ML = 6.0


@attrs.frozen
class BuiltInSegmenter:
    """A ``Segmenter``.

    Args:
        weights: folder of the three networks; the shipped ones by default.
    """

    weights: Path = WEIGHTS

    def segment(self, ct: CtVolume, anchor: tuple[VertebraLevel, FloatArray] | None = None) -> SpineSegmentation:
        """Find, separate and name the vertebrae of a CT.

        Raises:
            NoSpineError, AmbiguousLevelError, OnlyCervicalError, NoVertebraThereError: see there.
        """
        canal = find_canal(ct)
        coarse, fine = coarsen(ct, VERTEBRA.spacing_mm), coarsen(ct, REFINEMENT.spacing_mm)
        candidates, line = find_bodies(map_spine(ct, canal, Network(SPINE_MAP, self.weights)), canal, fine)
        found = segment_instances(coarse, [c.pose for c in candidates], Network(VERTEBRA, self.weights))
        if not found:
            raise NoSpineError("discs were seen but no vertebra between them", found=0)
        pitches = [_pitch(one, candidates) for one in found]
        levels, numbering = name_instances(found, read_cues(coarse, found, pitches, line), anchor)
        kept = [(level, one) for level, one in zip(levels, found, strict=True) if level is not None]
        network = Network(REFINEMENT, self.weights)
        refined = [(level, refine(fine, one, network)) for level, one in kept]
        labels = paint_labels(refined, ct.grid)
        boundaries, partial = {}, []
        for level, one in refined:
            why = _cut(one, ct.grid)
            if why is None:
                boundaries[level] = _boundary(one)
            else:
                partial.append(PartialVertebra(level, one.centre_lps_mm, why))
        return SpineSegmentation(labels, ct.grid, boundaries, tuple(partial), numbering, "built-in network")


def paint_labels(named: Sequence[tuple[VertebraLevel, VertebraInstance]], grid: Grid) -> np.ndarray:
    """VerSe ids on any ct_lps grid: each voxel goes to the vertebra that is surest of it, if any is over one half."""
    labels = np.zeros(grid.shape, np.uint8)
    best = np.full(grid.shape, 0.5, np.float32)
    for level, one in named:
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in one.grid.shape], indexing="ij")).reshape(3, -1).T
        index = grid.indices(one.grid.points(corners))
        low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.shape)
        high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, grid.shape)
        if (high <= low).any():
            continue
        box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
        value = ndi.map_coordinates(one.this, one.grid.indices_on(grid.crop(box)), order=1, mode="constant", cval=0)
        wins = value > best[box]
        best[box][wins] = value[wins]
        labels[box][wins] = level.verse_id
    return labels


def _pitch(one: VertebraInstance, candidates: Sequence[object]) -> float:
    """Disc-to-disc distance of the candidate an instance came from; NaN where one disc was not seen."""
    from planning_core.anatomy.body_chain import Candidate

    nearest = min(
        (c for c in candidates if isinstance(c, Candidate)),
        key=lambda c: float(np.linalg.norm(c.pose.centre_lps_mm - one.centre_lps_mm)),
    )
    return float("nan") if nearest.open_above or nearest.open_below else nearest.pitch_mm


def _cut(one: VertebraInstance, grid: Grid) -> str | None:
    """Why a vertebra cannot be modelled: the head or foot end of the volume cuts it, or little of it is there."""
    if one.volume_ml < LEAST_ML:
        return f"only {one.volume_ml:.1f} ml in view"
    points = one.grid.points(np.argwhere(one.this > 0.5))
    axis = int(np.abs(grid.direction[2]).argmax())
    along = grid.indices(points)[:, 2 - axis] * float(grid.spacing_mm[axis])
    length = (grid.shape[2 - axis] - 1) * float(grid.spacing_mm[axis])
    for near_end in (along < END_MM, along > length - END_MM):
        if float(near_end.sum()) * one.grid.voxel_ml * 1000 / END_MM > CUT_AREA_MM2:
            return "cut by the field of view"
    return None


def _boundary(one: VertebraInstance) -> DistanceField:
    return DistanceField.from_mask(one.this > 0.5, one.grid)


def weights_sha256(folder: Path = WEIGHTS) -> str:
    """One hash over the networks' files, part of what a stored segmentation depends on."""
    digest = hashlib.sha256()
    for window in (SPINE_MAP, VERTEBRA, REFINEMENT):
        path = folder / f"{window.name}.onnx"
        digest.update(path.read_bytes() if path.is_file() else b"missing")
    return digest.hexdigest()
