"""Places of a vertebra in a scan of which nothing is known: all shifts at once, a coarse set of turns.

Masked normalised cross-correlation by Fourier transform (Lewis 1995; Padfield 2012, IEEE TIP 21:2706, for masks) of the bone's
Hounsfield units.
"""

from __future__ import annotations

from itertools import product

import attrs
import numpy as np
import scipy.fft
import scipy.ndimage as ndi
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat
from scipy.spatial.transform import Rotation

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import Grid, RigidTransform
from planning_core.geometry.arrays import BoolArray, Float32Array, FloatArray
from planning_core.imaging.resample import coarsen, upright_grid
from planning_core.imaging.volume import AIR_HU, CtVolume
from planning_core.registration.refusals import RegistrationError

PREOP = "preop_lps"


class PlaceSearchConfig(BaseModel):
    """How a vertebra is looked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    spacing_mm: float = Field(3.0, gt=0.5, le=6, description="voxels of the search")
    turns_deg: tuple[NonNegativeFloat, ...] = Field(
        (0.0, 12.0), description="looked at about each axis, both ways; a refinement takes in 8 (benchmarks/registration.py)"
    )
    largest_turn_deg: float = Field(21.0, gt=0, description="of the three together: prone against supine, assumed")
    band_mm: tuple[float, PositiveFloat] = Field((-40.0, 6.0), description="signed distance from the bone of what is compared")
    range_hu: tuple[float, float] = Field((-200.0, 1200.0), description="air and metal count as no more than this")
    min_in_view: float = Field(0.9, gt=0, le=1, description="share of the bone that the scan must show")
    places: int = Field(8, ge=2, description="best places that are refined")
    worth: float = Field(0.6, ge=0, lt=1, description="share of the best place's first correlation below which none is refined")
    apart_mm: float = Field(10.0, gt=0, description="places nearer than this are one; a vertebra is 20 mm and more away")


class VertebraNotInScanError(RegistrationError):
    """No place in the scan shows the vertebra. Carries ``in_view`` (share of it) or ``correlation``, whichever is too low, and
    ``needed``."""

    code = "vertebra_not_in_scan"


@attrs.frozen(eq=False)
class Place:
    """One place of the vertebra in the scan: T_ct_lps_preop_lps, and how the scans correlate there."""

    transform: RigidTransform
    correlation: float


def likely_places(preop: CtVolume, vertebra: Vertebra, intraop: CtVolume, config: PlaceSearchConfig) -> list[Place]:
    """The best places of the correlation over all shifts and turns, best first, none twice."""
    h = config.spacing_mm
    scene = coarsen(intraop, h)
    grid = upright_grid(scene.grid, h)
    image = scene.on(grid)
    seen = image > AIR_HU + 1
    low, high = config.range_hu
    image = np.where(seen, np.clip(image, low, high), 0.0).astype(np.float32)
    index, wanted = _template(preop, vertebra, config)
    turns = _turns(config)
    reach = int(np.ceil(np.linalg.norm(index, axis=1).max() / h)) + 1
    search = _Search(image, seen, reach)
    best = np.full(grid.shape, -1.0, np.float32)
    which = np.zeros(grid.shape, np.int16)
    most_seen = 0.0
    for number, turn in enumerate(turns):
        template, mask = _rasterised(index @ turn.T / h, wanted, reach)
        score, share = search.correlate(template, mask, config.min_in_view)
        most_seen = max(most_seen, share)
        better = score > best
        best[better], which[better] = score[better], number
    if most_seen < config.min_in_view or best.max() <= 0:
        raise VertebraNotInScanError(
            f"the scan shows at most {most_seen:.0%} of {vertebra.level.value}, {config.min_in_view:.0%} are needed: "
            "bring it into the field and scan again",
            in_view=most_seen,
            correlation=None,
            needed=config.min_in_view,
        )
    return _peaks(best, which, grid, turns, vertebra, config)


def _template(preop: CtVolume, vertebra: Vertebra, config: PlaceSearchConfig) -> tuple[FloatArray, FloatArray]:
    """(n, 3) mm from the body's centre in LPS and (n,) HU of what is looked for, on a grid finer than the search's."""
    low, high = config.band_mm
    field = vertebra.whole
    step = max(1, int(config.spacing_mm / 2 / float(field.grid.spacing_mm.mean())))
    part = field.values[::step, ::step, ::step]
    index = np.argwhere((part > low) & (part < high)) * step
    points = vertebra.ct_lps_from_vertebra.apply(field.grid.points(index))
    clip_low, clip_high = config.range_hu
    wanted = np.clip(coarsen(preop, config.spacing_mm / 2).at(points).astype(np.float64), clip_low, clip_high)
    return points - vertebra.ct_lps_from_vertebra.translation_mm, wanted


def _turns(config: PlaceSearchConfig) -> list[FloatArray]:
    each = sorted({s * t for t in config.turns_deg for s in (-1, 1)})
    vectors = np.array([v for v in product(each, repeat=3) if np.linalg.norm(v) <= config.largest_turn_deg])
    return list(Rotation.from_rotvec(np.radians(vectors)).as_matrix())


def _rasterised(index: FloatArray, wanted: FloatArray, reach: int) -> tuple[Float32Array, Float32Array]:
    """Mean HU and mask on a cube of half width ``reach`` voxels about the body's centre, k j i."""
    size = 2 * reach + 1
    voxel = np.rint(index[:, ::-1]).astype(int) + reach
    flat = np.ravel_multi_index(tuple(voxel.T), (size, size, size))
    count = np.bincount(flat, minlength=size**3)
    total = np.bincount(flat, weights=wanted, minlength=size**3)
    mask = (count > 0).astype(np.float32).reshape(size, size, size)
    mean = np.divide(total, count, out=np.zeros(size**3), where=count > 0).reshape(mask.shape).astype(np.float32)
    inside = mask > 0
    mean[inside] -= mean[inside].mean()
    return mean, mask


class _Search:
    """One scan, transformed once; templates are laid over it by correlation."""

    def __init__(self, image: Float32Array, seen: BoolArray, reach: int) -> None:
        self._shape = image.shape
        # one margin of nothing serves both ends: what a template shows beyond the last voxel comes round into it
        self._size = tuple(scipy.fft.next_fast_len(n + reach, real=True) for n in image.shape)
        # the template's middle lies ``reach`` voxels into its cube, and so does the image's first voxel into its own
        before = [np.pad(a, [(reach, 0)] * 3) for a in (image, image**2, seen.astype(np.float32))]
        self._image, self._square, self._seen = (self._forward(a) for a in before)

    def correlate(self, template: Float32Array, mask: Float32Array, min_in_view: float) -> tuple[Float32Array, float]:
        """(nk, nj, ni) normalised correlation with the template's middle at each voxel, and the largest share seen.

        Taken over what is seen; a place that shows too little gets -1. Never beyond 1, in even grey beside the edge neither.
        """
        over, laid = self._forward(mask), self._forward(template)
        count = self._back(self._seen, over)
        share = count / float(mask.sum())
        valid = share >= min_in_view
        count = np.maximum(count, 1.0)
        mean = self._back(self._image, over) / count
        variance = np.maximum(self._back(self._square, over) / count - mean**2, 25.0)
        norm = np.sqrt(variance * float((template**2).sum()) * count)
        # the template's sum is nought, but not that of its part within the scan
        alike = self._back(self._image, laid) - mean * self._back(self._seen, laid)
        score = np.where(valid, alike / norm, -1.0)
        return score.astype(np.float32), float(share.max())

    def _forward(self, values: NDArray[np.float32]) -> NDArray[np.complex64]:
        return np.asarray(scipy.fft.rfftn(values, self._size))

    def _back(self, scene: NDArray[np.complex64], laid: NDArray[np.complex64]) -> Float32Array:
        full = scipy.fft.irfftn(scene * np.conj(laid), self._size)
        return np.asarray(full[tuple(slice(0, n) for n in self._shape)])


def _peaks(
    best: Float32Array,
    which: NDArray[np.int16],
    grid: Grid,
    turns: list[FloatArray],
    vertebra: Vertebra,
    config: PlaceSearchConfig,
) -> list[Place]:
    wide = 2 * int(config.apart_mm / config.spacing_mm / 2) + 1
    peak = (best == ndi.maximum_filter(best, size=wide)) & (best > 0)
    index = np.argwhere(peak)
    order = np.argsort(-best[peak])[: config.places]
    order = order[best[peak][order] >= config.worth * best.max()]
    centre = vertebra.ct_lps_from_vertebra.translation_mm
    out = []
    for k in index[order]:
        turn = turns[int(which[tuple(k)])]
        moved = RigidTransform.from_parts("ct_lps", PREOP, turn, grid.points(k) - turn @ centre)
        out.append(Place(moved, float(best[tuple(k)])))
    return out
