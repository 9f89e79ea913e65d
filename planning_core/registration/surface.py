"""Points against a bone's surface: trimmed point-to-plane steps down its distance field, from several starts."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from planning_core.geometry import DistanceField, FrameMismatchError, RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray, frozen_float64
from planning_core.registration.config import SurfaceConfig
from planning_core.registration.points import frozen_bool
from planning_core.registration.refusals import PointsError, SurfaceError, UnstableSurfaceError
from planning_core.registration.target_error import TargetError, error_at
from planning_core.registration.uncertain import UncertainTransform, adjoint

NORMAL_STEP_MM = 0.7
LONGEST_STEP = np.array([0.1, 0.1, 0.1, 3.0, 3.0, 3.0])
DAMPING = 1e-3
SAME_MM = 0.5
COARSE_POINTS = 150
FINALISTS = 3
OUTLIER_SIGMAS = 3.0
"""Trimming wastes sound points and doubles the variance; a last descent takes back all that lie within this (Rousseeuw 1984)."""


@attrs.frozen(eq=False)
class SurfaceRegistration:
    """Points laid onto a surface.

    Args:
        moved: T_<field's frame>_<points' frame> with the error to expect, from the points' errors and where they lie.
        distances_mm: (n,) signed distance of each point from the surface, moved; negative inside.
        kept: (n,) bool: points that took part at the end.
        rms_mm: of the kept ones. agreeing: share of the starts that ended at the same place.
        at_middle: error to expect in the points' middle.
    """

    moved: UncertainTransform
    distances_mm: FloatArray = attrs.field(converter=frozen_float64)
    kept: BoolArray = attrs.field(converter=frozen_bool)
    rms_mm: float
    agreeing: float
    at_middle: TargetError


@attrs.frozen(eq=False)
class _Poses:
    """Many poses at once: turn (s, 3, 3) about the points' middle, shift (s, 3) of the middle; kept (s, n), rms (s,)."""

    turn: FloatArray
    shift: FloatArray
    kept: BoolArray
    rms: FloatArray


def register_surface(
    points_mm: ArrayLike,
    field: DistanceField,
    start: RigidTransform,
    config: SurfaceConfig | None = None,
    stand_off_mm: float = 0.0,
) -> SurfaceRegistration:
    """Lay points on a surface, starting near.

    Args:
        points_mm: (n, 3) in ``start.src``. field: signed distance; its frame is ``start.dst``.
        stand_off_mm: distance of the points from the surface (radius of a probe's ball).

    Raises:
        FrameMismatchError: ``start`` leads elsewhere.
        PointsError: too few or not finite. SurfaceError: no start brings the points to the surface.
        UnstableSurfaceError: the points would let the bone slide or turn.

    Source: trimmed ICP (Chetverikov 2002) with the point-to-plane metric (Chen & Medioni 1991); the distance field takes the
    place of the search for nearest points.
    """
    config = config or SurfaceConfig()
    points = np.array(points_mm, dtype=np.float64)
    if start.dst != field.grid.frame:
        raise FrameMismatchError(
            f"T_{start.dst}_{start.src} does not lead to the surface's frame {field.grid.frame}",
            left=start.dst,
            right=field.grid.frame,
        )
    if points.ndim != 2 or points.shape[1:] != (3,) or len(points) < config.min_points or not np.isfinite(points).all():
        raise PointsError(
            f"{len(points)} points given, at least {config.min_points} finite ones are needed",
            count=len(points),
            needed=config.min_points,
        )
    middle = points.mean(axis=0)
    away = points - middle
    turns, shifts = _starts(start, middle, config)
    # many starts with a share of the points, the best few with all
    some = np.random.default_rng(0).permutation(len(points))[:COARSE_POINTS]
    rough = _descend(away[some], field, turns, shifts, config, stand_off_mm)
    order = np.argsort(rough.rms)[:FINALISTS]
    final = _descend(away, field, rough.turn[order], rough.shift[order], config, stand_off_mm)
    first = final.rms.argmin()
    off = np.abs(field.at(away @ final.turn[first].T + final.shift[first]) - stand_off_mm)
    within = OUTLIER_SIGMAS * max(1.4826 * float(np.median(off)), config.settled_mm)
    final = _descend(away, field, final.turn[[first]], final.shift[[first]], config, stand_off_mm, within)
    rms = float(final.rms[0])
    if not rms <= config.max_rms_mm:
        raise SurfaceError(
            f"the points stay {rms:.2f} mm rms off the surface, at most {config.max_rms_mm:g} mm is allowed",
            rms_mm=rms,
            limit_mm=config.max_rms_mm,
        )
    turn, shift = final.turn[0], final.shift[0]
    transform = RigidTransform.from_parts(start.dst, start.src, turn, shift - turn @ middle)
    covariance = _covariance(away @ turn.T, shift, field, final.kept[0], config)
    moved = UncertainTransform(transform, covariance)
    at_middle = error_at(moved, middle)
    if not at_middle.bound95_mm <= config.max_predicted_mm:
        raise UnstableSurfaceError(
            f"the points hold the bone only to {at_middle.bound95_mm:.1f} mm: touch more places that face other ways",
            predicted_mm=at_middle.bound95_mm,
            limit_mm=config.max_predicted_mm,
            rms_mm=rms,
        )
    reach = float(np.sqrt((away**2).sum(axis=1).mean()))
    apart = np.linalg.norm(rough.shift - shift, axis=1) + reach * np.linalg.norm(rough.turn - turn, axis=(1, 2)) / np.sqrt(2)
    distances = field.at(transform.apply(points)) - stand_off_mm
    return SurfaceRegistration(moved, distances, final.kept[0], rms, float((apart < SAME_MM).mean()), at_middle)


def _starts(start: RigidTransform, middle: FloatArray, config: SurfaceConfig) -> tuple[FloatArray, FloatArray]:
    """The start itself, turned and shifted both ways along each axis, and in eight mixtures."""
    axes = np.vstack([np.eye(3), -np.eye(3)])
    corners = np.array(np.meshgrid(*[(-1, 1)] * 3, indexing="ij")).reshape(3, -1).T / np.sqrt(3)
    none = np.zeros((6, 3))
    turns = np.vstack([np.zeros((1, 3)), axes, none, corners]) * np.radians(config.start_turns_deg)
    shifts = np.vstack([np.zeros((1, 3)), none, axes, np.roll(corners, 3, axis=0)]) * config.start_shift_mm
    return Rotation.from_rotvec(turns).as_matrix() @ start.rotation, start.apply(middle) + shifts


def _descend(
    away: FloatArray,
    field: DistanceField,
    turn: FloatArray,
    shift: FloatArray,
    config: SurfaceConfig,
    stand_off: float,
    within_mm: float | None = None,
) -> _Poses:
    """Gauss-Newton from all poses side by side, with the nearest share of the points, or those within a distance."""
    keep = max(6, int(np.ceil((1 - config.trim) * len(away))))

    def used(d: FloatArray) -> BoolArray:
        return _trimmed(d, keep) if within_mm is None else np.asarray(np.abs(d) <= within_mm)

    active = np.arange(len(turn))
    turn, shift = turn.copy(), shift.copy()
    for _ in range(config.max_iterations):
        arm = np.einsum("sab,nb->sna", turn[active], away)
        placed = arm + shift[active][:, None]
        d = field.at(placed) - stand_off
        weight = used(d).astype(np.float64)
        normal = field.gradient_at(placed, NORMAL_STEP_MM)
        jacobian = np.concatenate([np.cross(arm, normal), normal], axis=-1)
        weighted = jacobian * weight[..., None]
        square = np.einsum("sna,snb->sab", weighted, jacobian)
        square += DAMPING * square.diagonal(axis1=1, axis2=2)[:, :, None] * np.eye(6) + 1e-6 * np.eye(6)
        step = -np.linalg.solve(square, np.einsum("sna,sn->sa", weighted, d)[..., None])[..., 0]
        step /= np.maximum(1, np.abs(step / LONGEST_STEP).max(axis=1))[:, None]
        turn[active] = Rotation.from_rotvec(step[:, :3]).as_matrix() @ turn[active]
        shift[active] += step[:, 3:]
        reach = np.linalg.norm(away, axis=1).mean()
        moving = np.linalg.norm(step[:, 3:], axis=1) + reach * np.linalg.norm(step[:, :3], axis=1) > config.settled_mm
        active = active[moving]
        if not len(active):
            break
    d = field.at(np.einsum("sab,nb->sna", turn, away) + shift[:, None]) - stand_off
    kept = used(d)
    rms = np.sqrt((np.where(kept, d, 0) ** 2).sum(axis=1) / kept.sum(axis=1))
    return _Poses(turn, shift, kept, rms)


def _trimmed(d: FloatArray, keep: int) -> BoolArray:
    """(s, n) bool: the ``keep`` smallest of each row."""
    rank = np.argsort(np.argsort(np.abs(d), axis=1), axis=1)
    return np.asarray(rank < keep)


def _covariance(arm: FloatArray, shift: FloatArray, field: DistanceField, kept: BoolArray, config: SurfaceConfig) -> FloatArray:
    """(6, 6) about the origin of the surface's frame, from the points' own error; points close together count as one."""
    normal = field.gradient_at(arm + shift, NORMAL_STEP_MM)
    jacobian = np.concatenate([np.cross(arm, normal), normal], axis=-1)[kept]
    near = cKDTree(arm[kept]).query_ball_point(arm[kept], config.correlated_mm, return_length=True)
    information = (jacobian / near[:, None]).T @ jacobian / config.point_error_mm**2
    # a direction that nothing holds gets a huge variance, not an error of the solver
    values, vectors = np.linalg.eigh(information)
    about_middle = (vectors / np.maximum(values, 1e-9)) @ vectors.T
    to_origin = adjoint(RigidTransform.from_parts("a", "b", np.eye(3), shift))
    return np.asarray(to_origin @ about_middle @ to_origin.T)
