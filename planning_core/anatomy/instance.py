"""One vertebra out of its neighbours: the second network looks at a body in the vertebra's own pose, twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.network import Network
from planning_core.anatomy.patches import VERTEBRA, coordinates, normalised
from planning_core.anatomy.pose import VertebraPose, body_centre, chain_directions
from planning_core.geometry import Grid
from planning_core.geometry.arrays import Float32Array, FloatArray
from planning_core.imaging.resample import CoarseCt

LEAST_ML = 3.0
NEAR_MM = 3.0
NEAR_DEG = 6.0


@attrs.frozen(eq=False)
class VertebraInstance:
    """What the network says around one body.

    Args:
        pose: the pose it was looked at in.
        grid: the patch, oblique in ct_lps. this, other: (k, j, i) probability of this vertebra and of its neighbours.
    """

    pose: VertebraPose
    grid: Grid
    this: Float32Array
    other: Float32Array

    @cached_property
    def centre_lps_mm(self) -> FloatArray:
        """Centre of the body as segmented, ct_lps mm."""
        return body_centre(self.this > 0.5, self.grid)

    @property
    def volume_ml(self) -> float:
        """Volume of the vertebra as segmented."""
        return float((self.this > 0.5).sum()) * self.grid.voxel_ml

    @property
    def backwards(self) -> FloatArray:
        """(3,) from the body's centre to the whole vertebra's centre of mass, which lies behind it."""
        return np.asarray(self.grid.points(np.argwhere(self.this > 0.5).mean(axis=0)) - self.centre_lps_mm)


def segment_instances(ct: CoarseCt, poses: Sequence[VertebraPose], network: Network | None = None) -> list[VertebraInstance]:
    """Segment each vertebra of a chain, correct the poses by what was found, and segment again.

    Args:
        ct: the volume at the window's spacing or finer. poses: first guesses from head to foot.

    Returns:
        One instance per guess that holds a vertebra, in the same order; guesses that fall on one that is already
        taken are dropped.
    """
    network = network or Network(VERTEBRA)
    first = [i for pose in poses if (i := _look(ct, pose, network)).volume_ml > LEAST_ML]
    first = _without_doubles(first)
    if not first:
        return []
    again = [
        one if _near(one.pose, pose) else _look(ct, pose, network) for one, pose in zip(first, _corrected(first), strict=True)
    ]
    return _without_doubles([i for i in again if i.volume_ml > LEAST_ML])


def _look(ct: CoarseCt, pose: VertebraPose, network: Network) -> VertebraInstance:
    grid = pose.patch(VERTEBRA.shape, VERTEBRA.spacing_mm, VERTEBRA.offset_mm)
    patch = np.concatenate([normalised(ct.on(grid))[None], coordinates(VERTEBRA)])
    _, this, other = network.probabilities(patch)
    return VertebraInstance(pose, grid, largest_part(this), other)


def largest_part(probability: Float32Array) -> Float32Array:
    """The probability with loose islands set to zero."""
    parts, count = ndi.label(probability > 0.5)
    if count < 2:
        return probability
    keep = parts == 1 + np.bincount(parts[parts > 0] - 1).argmax()
    return np.where(keep | (probability <= 0.5), probability, 0).astype(np.float32)


def _corrected(instances: Sequence[VertebraInstance]) -> list[VertebraPose]:
    """Poses from what was segmented, the way training made them from labels."""
    centres = np.array([i.centre_lps_mm for i in instances])
    ups = chain_directions(centres) if len(centres) > 1 else np.array([instances[0].pose.superior])
    return [VertebraPose.facing(c, up, i.backwards) for c, up, i in zip(centres, ups, instances, strict=True)]


def _near(a: VertebraPose, b: VertebraPose) -> bool:
    """Whether two poses differ so little that a second look would show the same."""
    turned = np.degrees(np.arccos(np.clip((np.trace(a.axes.T @ b.axes) - 1) / 2, -1, 1)))
    return bool(np.linalg.norm(a.centre_lps_mm - b.centre_lps_mm) < NEAR_MM and turned < NEAR_DEG)


def _without_doubles(instances: Sequence[VertebraInstance], least_gap_mm: float = 9.0) -> list[VertebraInstance]:
    """Of two instances with nearly the same centre, the larger."""
    kept: list[VertebraInstance] = []
    for one in instances:
        if kept and np.linalg.norm(kept[-1].centre_lps_mm - one.centre_lps_mm) < least_gap_mm:
            if one.volume_ml > kept[-1].volume_ml:
                kept[-1] = one
        else:
            kept.append(one)
    return kept
