"""A plan made on one scan carried to another by the rigid move of its vertebra, with the error that held-out points show."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.imaging.resample import Scales
from planning_core.imaging.volume import CtVolume
from planning_core.registration.config import CarryConfig, SurfaceConfig
from planning_core.registration.intensity import align_intensity, bone_samples
from planning_core.registration.refusals import CarryError
from planning_core.registration.surface import register_surface
from planning_core.registration.uncertain import UncertainTransform, adjoint

PREOP = "preop_lps"
FLAT_MM = 0.75


@attrs.frozen(eq=False)
class Carried:
    """A vertebra's move from the scan it was planned on to the scan in the room.

    Args:
        intraop_from_preop: T_ct_lps_preop_lps with its error; plan points go through its ``transform``.
        method: ``surface`` or ``intensity``.
        halves_mm: rms distance over the bone between where its two halves, each registered alone, put it.
        held_out_mm: rms distance off the other surface of points that took no part, without the share that is trimmed (surface);
            ``None`` for intensity.
        correlation: of Hounsfield units in place (intensity); ``None`` for surface.
    """

    intraop_from_preop: UncertainTransform
    method: str
    halves_mm: float
    held_out_mm: float | None
    correlation: float | None


def carry_by_surface(
    preop: Vertebra, intraop: Vertebra, config: CarryConfig | None = None, surface: SurfaceConfig | None = None
) -> Carried:
    """Both scans are segmented: one surface on the other, beginning with both anatomical frames one upon the other.

    Raises:
        CarryError: held-out points or the two halves disagree by more than their limit.
        SurfaceError: the surfaces were not brought together.
    """
    config = config or CarryConfig()
    points = surface_points(preop.whole, config)
    # frames of one level share a name in both scans; the preoperative one is renamed
    planned = f"preop_{preop.frame}"
    start = RigidTransform(intraop.frame, planned, np.eye(4))
    half = halves(points, config)
    parts = [register_surface(points[h], intraop.whole, start, surface) for h in (half, ~half)]
    placed = [part.moved.transform.apply(points[h]) for part, h in zip(parts, (~half, half), strict=True)]
    off = np.sort(np.abs(intraop.whole.at(np.concatenate(placed))))
    # what the fit may leave out (cut off by the field of view, or broken since) is left out here too
    keep = int(np.ceil((1 - (surface or SurfaceConfig()).trim) * len(off)))
    held_out = float(np.sqrt(np.mean(off[:keep] ** 2)))
    apart = _apart(parts[0].moved.transform, parts[1].moved.transform, points)
    _require(held_out, config.max_held_out_mm, "held-out points stay {:.2f} mm rms off the surface", "held_out_mm")
    _require(apart, config.max_halves_mm, "the bone's two halves disagree by {:.2f} mm", "halves_mm")
    whole = register_surface(points, intraop.whole, start, surface)
    back = preop.ct_lps_from_vertebra.inverse()
    moved = (
        UncertainTransform.exact(intraop.ct_lps_from_vertebra)
        @ whole.moved
        @ UncertainTransform.exact(RigidTransform(planned, PREOP, back.matrix))
    )
    return Carried(moved, "surface", apart, held_out, None)


def carry_by_intensity(
    preop_ct: CtVolume, preop: Vertebra, intraop_ct: CtVolume, start: RigidTransform, config: CarryConfig | None = None
) -> Carried:
    """Only the first scan is segmented: the bone's Hounsfield units are found again in the second.

    The error is taken from the halves, which share no voxel: half their disagreement is one sigma of their mean, the shape of the
    covariance that of the fit.

    Args:
        start: T_ct_lps_preop_lps, within some 8 mm and 8° (benchmarks/registration.py).

    Raises:
        CarryError: the scans do not correlate in place, or the halves disagree.
    """
    config = config or CarryConfig()
    points = preop.ct_lps_from_vertebra.apply(bone_samples(preop.whole, config))
    before, after = Scales(preop_ct), Scales(intraop_ct)
    whole = align_intensity(before, points, after, start, config)
    if not whole.correlation >= config.min_correlation:
        raise CarryError(
            f"the scans correlate by {whole.correlation:.2f} at this vertebra, at least {config.min_correlation:g} is needed: "
            "start nearer",
            correlation=whole.correlation,
            limit=config.min_correlation,
        )
    half = halves(points, config)
    near = config.model_copy(update={"levels_mm": config.levels_mm[-1:]})  # they begin where the whole bone came to rest
    parts = [align_intensity(before, points[h], after, whole.transform, near).transform for h in (half, ~half)]
    apart = _apart(parts[0], parts[1], points)
    _require(apart, config.max_halves_mm, "the bone's two halves disagree by {:.2f} mm", "halves_mm")
    about = np.linalg.inv(whole.information)
    to_origin = adjoint(RigidTransform.from_parts("a", "b", np.eye(3), whole.middle_mm))
    shape = UncertainTransform(whole.transform, to_origin @ about @ to_origin.T)
    seen = float(np.sqrt(np.trace(shape.covariance_at(points), axis1=1, axis2=2).mean()))
    covariance = shape.covariance * max(1.0, apart / 2 / seen) ** 2
    covariance[3:, 3:] += np.eye(3) * config.other_scanner_mm**2
    moved = UncertainTransform(whole.transform, covariance)
    return Carried(moved, "intensity", apart, None, whole.correlation)


def surface_points(field: DistanceField, config: CarryConfig, seed: int = 0) -> FloatArray:
    """(n, 3) mm on a bone's surface, an even draw, in the field's frame."""
    index = np.argwhere(np.abs(field.values) < FLAT_MM * field.grid.spacing_mm.mean())
    chosen = np.sort(np.random.default_rng(seed).permutation(len(index))[: config.points])
    points = field.grid.points(index[chosen])
    return np.asarray(points - field.at(points)[:, None] * field.gradient_at(points, 1.0))


def halves(points: FloatArray, config: CarryConfig) -> BoolArray:
    """(n,) bool: every other block of a three-dimensional chequerboard, so that neighbours are held out together."""
    return np.asarray(np.floor((points - points.min(axis=0)) / config.block_mm).astype(int).sum(axis=1) % 2 == 0)


def _apart(one: RigidTransform, other: RigidTransform, points: FloatArray) -> float:
    return float(np.sqrt(((one.apply(points) - other.apply(points)) ** 2).sum(axis=1).mean()))


def _require(found: float, limit: float, sentence: str, name: str) -> None:
    if not found <= limit:
        raise CarryError(f"{sentence.format(found)}, at most {limit:g} mm is allowed", **{name: found, "limit_mm": limit})
