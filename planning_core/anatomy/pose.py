"""Where a vertebra stands and which way it faces: the pose every network patch is cut out in."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.geometry import Grid
from planning_core.geometry.arrays import BoolArray, FloatArray, frozen_vector


@attrs.frozen(eq=False)
class VertebraPose:
    """A body's centre with the vertebra's own axes, ct_lps.

    Args:
        centre_lps_mm: (3,) centre of the vertebral body.
        superior, posterior: (3,) unit and orthogonal; left = posterior × superior.
    """

    centre_lps_mm: FloatArray = attrs.field(converter=frozen_vector)
    superior: FloatArray = attrs.field(converter=frozen_vector)
    posterior: FloatArray = attrs.field(converter=frozen_vector)

    @classmethod
    def facing(cls, centre: FloatArray, superior: FloatArray, backwards: FloatArray) -> VertebraPose:
        """From any superior direction and anything that points roughly backwards (both need not be unit)."""
        up = np.asarray(superior, float) / np.linalg.norm(superior)
        back = np.asarray(backwards, float) - (np.asarray(backwards, float) @ up) * up
        return cls(centre, up, back / np.linalg.norm(back))

    @property
    def axes(self) -> FloatArray:
        """(3, 3): columns left, posterior, superior in ct_lps."""
        return np.column_stack([np.cross(self.posterior, self.superior), self.posterior, self.superior])

    def patch(self, shape: tuple[int, int, int], spacing_mm: float, offset_mm: Sequence[float]) -> Grid:
        """A grid in this pose.

        Args:
            shape: (superior, posterior, left) voxels. spacing_mm: isotropic.
            offset_mm: where the patch's centre lies from the body's centre, (left, posterior, superior) mm.
        """
        half = (np.array(shape[::-1]) - 1) / 2 * spacing_mm
        first = self.centre_lps_mm + self.axes @ (np.asarray(offset_mm, float) - half)
        return Grid(shape, [spacing_mm] * 3, first, self.axes)


def body_centre(mask: BoolArray, grid: Grid) -> FloatArray:
    """The centre of the thickest part of a vertebra's mask, which is its body, collapsed or not.

    Args:
        mask: (nk, nj, ni) bool, one vertebra. grid: its grid.

    Returns:
        (3,) mm in the grid's frame.
    """
    box = ndi.find_objects(mask.astype(np.uint8))[0]
    mask, grid = mask[box], grid.crop(box)
    depth = ndi.distance_transform_edt(np.pad(mask, 1), grid.spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    core, count = ndi.label(depth > 0.5 * depth.max())
    if count > 1:
        core = core == 1 + np.bincount(core[core > 0] - 1, weights=depth[core > 0]).argmax()
    index = np.argwhere(core)
    return np.asarray(grid.points(np.average(index, axis=0, weights=depth[core > 0])))


def chain_directions(centres: FloatArray) -> FloatArray:
    """Superior direction at each of several body centres ordered from head to foot: (n, 3) unit; n ≥ 2."""
    steps = centres[:-1] - centres[1:]
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    ups = np.vstack([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    return np.asarray(ups / np.linalg.norm(ups, axis=1, keepdims=True))
