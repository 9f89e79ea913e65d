"""Steel beads in a CT, to a fraction of a voxel, told from bone, screws and needles."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from planning_core.geometry import Grid
from planning_core.geometry.arrays import FloatArray, frozen_float64, frozen_vector
from planning_core.imaging.volume import CtVolume
from planning_core.registration.bead_model import BallFit, fit_ball, voxel_points
from planning_core.registration.config import BeadConfig
from planning_core.registration.refusals import TooMuchMetalError

SATURATED_VOXELS = 3


@attrs.frozen(eq=False)
class Bead:
    """One bead.

    Args:
        centre_lps_mm: (3,) ct_lps.
        covariance: (3, 3) mm² of the centre: noise of the fit and what a fit to voxels misses by.
        blur_mm, misfit: of the fit; quality: 1 a perfect ball, 0 one that barely passed.
    """

    centre_lps_mm: FloatArray = attrs.field(converter=frozen_vector)
    covariance: FloatArray = attrs.field(converter=frozen_float64)
    blur_mm: float
    misfit: float
    quality: float


@attrs.frozen(eq=False)
class OtherMetal:
    """Metal that is no bead: where (ct_lps mm), and why not."""

    centre_lps_mm: FloatArray = attrs.field(converter=frozen_vector)
    reason: str


@attrs.frozen(eq=False)
class BeadSearch:
    """All metal in a scan, brightest pieces sorted into beads and others."""

    beads: tuple[Bead, ...]
    others: tuple[OtherMetal, ...]

    @property
    def centres_lps_mm(self) -> FloatArray:
        """(n, 3) ct_lps mm."""
        return np.array([b.centre_lps_mm for b in self.beads]).reshape(-1, 3)


def find_beads(ct: CtVolume, diameter_mm: float, config: BeadConfig | None = None) -> BeadSearch:
    """Find steel balls of one size.

    Connected voxels above bone are pieces of metal. A piece of about the right size and shape is fitted with the image of a
    ball of exactly that size; what the ball does not explain is no bead.

    Args:
        diameter_mm: of the balls.

    Raises:
        TooMuchMetalError: more pieces than ``config.max_metal``.
    """
    config = config or BeadConfig()
    brightest = ct.hu.max(axis=(1, 2))
    labels, count, corner = np.zeros(ct.hu.shape, np.int32), 0, np.zeros(3, int)
    boxes: list[Any] = []
    inside = labels
    if brightest.max() > config.metal_hu:
        around = _box_of_metal(ct, brightest, config)  # the rest of a large volume need not be looked through
        corner, inside = np.array([s.start for s in around]), labels[around]
        count = ndi.label(ct.hu[around] > config.metal_hu, structure=np.ones((3, 3, 3)), output=inside)
        boxes = ndi.find_objects(inside)
    if count > config.max_metal:
        raise TooMuchMetalError(
            f"{count} pieces of metal are in the scan, at most {config.max_metal} are looked at",
            found=count,
            limit=config.max_metal,
        )
    top = int(brightest.max())
    saturated = sum(int((ct.hu[k] == top).sum()) for k in np.flatnonzero(brightest == top))
    saturation = float(top) if count and saturated >= SATURATED_VOXELS else float("inf")
    beads: list[Bead] = []
    others: list[OtherMetal] = []
    for number, box in enumerate(boxes, start=1):
        index = np.argwhere(inside[box] == number) + [s.start for s in box] + corner
        points = ct.grid.points(index)
        weight = np.minimum(ct.hu[tuple(index.T)].astype(np.float64), saturation) - config.metal_hu + 1.0
        middle = np.average(points, axis=0, weights=weight)
        reason = _unlike(points, weight, ct.grid, diameter_mm, config) or _cut_off(middle, ct.grid, diameter_mm)
        if reason:
            others.append(OtherMetal(middle, reason))
            continue
        fit = _fit(ct, middle, diameter_mm, saturation, labels, number, config)
        reason = _doubt(fit, middle, diameter_mm, config)
        if reason:
            others.append(OtherMetal(middle, reason))
        else:
            beads.append(_bead(fit, ct.grid, config))
    return BeadSearch(tuple(beads), tuple(others))


def _box_of_metal(ct: CtVolume, brightest: NDArray[np.int16], config: BeadConfig) -> tuple[slice, slice, slice]:
    """The voxels k, j, i around all metal."""
    slices = np.flatnonzero(brightest > config.metal_hu)
    slab = slice(int(slices[0]), int(slices[-1]) + 1)
    _, rows, columns = ndi.find_objects((ct.hu[slab] > config.metal_hu).view(np.int8))[0]
    return slab, rows, columns


def _unlike(points: FloatArray, weight: FloatArray, grid: Grid, diameter_mm: float, config: BeadConfig) -> str | None:
    """Why a piece cannot be the bead by size and shape, or nothing."""
    voxel = float(np.prod(grid.spacing_mm))
    seen = (6 * len(points) * voxel / np.pi) ** (1 / 3) / diameter_mm
    low, high = config.size_ratio
    if not low <= seen <= high:
        return f"is as large as a ball of {seen * diameter_mm:.1f} mm"
    away = points - np.average(points, axis=0, weights=weight)
    own = (grid.direction * grid.spacing_mm**2 / 12) @ grid.direction.T
    axes = np.sqrt(np.linalg.eigvalsh(np.einsum("n,na,nb->ab", weight / weight.sum(), away, away) + own))
    # a coarse voxel may add half its width to one side only
    allowed = config.max_aspect + 0.5 * float(grid.spacing_mm.max()) / diameter_mm
    if axes[2] / axes[0] > allowed:
        return f"is {axes[2] / axes[0]:.1f} times as long as thick"
    return None


def _cut_off(middle: FloatArray, grid: Grid, diameter_mm: float) -> str | None:
    """A ball at the scan's edge shows only a part of itself."""
    index = grid.indices(middle)
    edge = np.minimum(index, np.array(grid.shape) - 1 - index) * grid.spacing_mm[::-1]
    return "is cut off by the scan's edge" if edge.min() < diameter_mm / 2 else None


def _fit(
    ct: CtVolume, middle: FloatArray, diameter_mm: float, saturation: float, labels: np.ndarray, number: int, config: BeadConfig
) -> BallFit:
    reach = diameter_mm / 2 + config.margin_mm
    index = ct.grid.indices(middle)
    half = reach / ct.grid.spacing_mm[::-1]
    low = np.maximum(np.ceil(index - half).astype(int), 0)
    high = np.minimum(np.floor(index + half).astype(int) + 1, ct.grid.shape)
    near = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    points = ct.grid.crop(near).all_points()
    # other pieces of metal are left out, with the voxel around them that their blur reaches
    foreign = ndi.binary_dilation((labels[near] > 0) & (labels[near] != number))
    use = (np.linalg.norm(points - middle, axis=-1) <= reach) & ~foreign
    inside = voxel_points(ct.grid.spacing_mm, ct.grid.direction)
    return fit_ball(points[use], ct.hu[near][use].astype(np.float64), middle, diameter_mm / 2, saturation, inside)


def _doubt(fit: BallFit, middle: FloatArray, diameter_mm: float, config: BeadConfig) -> str | None:
    """Why a fitted ball is not believed, or nothing."""
    low, high = config.blur_mm
    if fit.misfit > config.max_misfit:
        return f"is no ball: {fit.misfit:.0%} of it is left over"
    if not low <= fit.blur_mm <= high:
        return f"is as sharp as no ball here: blur {fit.blur_mm:.2f} mm"
    away = float(np.linalg.norm(fit.centre_mm - middle))
    return f"has its centre {away:.1f} mm beside itself" if away > diameter_mm / 4 else None


def _bead(fit: BallFit, grid: Grid, config: BeadConfig) -> Bead:
    axes = grid.direction * (config.centre_error_voxel * grid.spacing_mm)
    quality = float(np.clip(1 - fit.misfit / config.max_misfit, 0, 1))
    return Bead(fit.centre_mm, fit.covariance + axes @ axes.T, fit.blur_mm, fit.misfit, quality)
