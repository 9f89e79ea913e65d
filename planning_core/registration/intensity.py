"""A bone's Hounsfield units in one scan laid over another: no segmentation of the second is needed."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.imaging.resample import CoarseCt, Scales
from planning_core.registration.config import CarryConfig

ITERATIONS = 40
SETTLED_MM = 2e-3
TUKEY = 4.685
LONGEST_STEP = np.array([0.06, 0.06, 0.06, 2.0, 2.0, 2.0])


@attrs.frozen(eq=False)
class IntensityFit:
    """A bone laid over another scan.

    Args:
        transform: T_ct_lps_preop_lps. correlation: of both scans' Hounsfield units in and around the bone.
        information: (6, 6) about ``middle_mm`` (3,) in ct_lps: inverse covariance for independent voxels of the residual's size.
    """

    transform: RigidTransform
    correlation: float
    information: FloatArray
    middle_mm: FloatArray


def bone_samples(field: DistanceField, config: CarryConfig, seed: int = 0) -> FloatArray:
    """(n, 3) mm in the field's frame: voxel centres in and just around a bone, an even draw of them."""
    low, high = config.band_mm
    index = np.argwhere((field.values > low) & (field.values < high))
    chosen = np.random.default_rng(seed).permutation(len(index))[: config.samples]
    return field.grid.points(index[np.sort(chosen)])


def align_intensity(
    preop: Scales, points_mm: FloatArray, intraop: Scales, start: RigidTransform, config: CarryConfig | None = None
) -> IntensityFit:
    """Move points of one scan until the other scan shows there what the first did, up to gain and offset.

    Gauss-Newton with Tukey's weights, coarse to fine; a C-arm's Hounsfield units are not calibrated, hence gain and offset.

    Args:
        points_mm: (n, 3) in preop's coordinates. start: T_ct_lps_preop_lps, a few millimetres off at most.
    """
    config = config or CarryConfig()
    middle = points_mm.mean(axis=0)
    away = points_mm - middle
    turn, shift = start.rotation.copy(), start.apply(middle)
    weighted, correlation = np.eye(6), -1.0
    for level in config.levels_mm:
        before, after = preop.at(level), intraop.at(level)
        wanted = before.at(points_mm).astype(np.float64)
        for _ in range(ITERATIONS):
            arm = away @ turn.T
            seen, slope = _values(after, arm + shift, level)
            use = (seen < config.metal_hu) & (wanted < config.metal_hu) & after.grid.contains(arm + shift)
            if use.sum() < 200:
                return IntensityFit(start, -1.0, np.eye(6) * 1e-9, shift)
            residual, weight, gain = _explained(wanted, seen, use)
            jacobian = gain * np.concatenate([np.cross(arm, slope), slope], axis=1)
            weighted = (jacobian * weight[:, None]).T @ jacobian
            step = np.linalg.solve(weighted + 1e-6 * np.diag(weighted.diagonal()), (jacobian * weight[:, None]).T @ residual)
            step /= max(1.0, float(np.abs(step / LONGEST_STEP).max()))
            turn = Rotation.from_rotvec(step[:3]).as_matrix() @ turn
            shift = shift + step[3:]
            variance = float((weight * residual**2).sum() / max(weight.sum(), 1.0))
            correlation = float(np.corrcoef(wanted[use], seen[use])[0, 1])
            if np.linalg.norm(step[3:]) + 30 * np.linalg.norm(step[:3]) < SETTLED_MM:
                break
        weighted = weighted / max(variance, 1.0)
    transform = RigidTransform.from_parts(start.dst, start.src, turn, shift - turn @ middle)
    return IntensityFit(transform, correlation, weighted, shift)


def _explained(wanted: FloatArray, seen: FloatArray, use: BoolArray) -> tuple[FloatArray, FloatArray, float]:
    """What gain and offset leave of the wanted values, how far each is believed, and the gain."""
    gain, offset = np.polyfit(seen[use], wanted[use], 1)
    residual = wanted - gain * seen - offset
    spread = 1.4826 * float(np.median(np.abs(residual[use]))) + 1e-6
    weight = np.where(use, np.clip(1 - (residual / (TUKEY * spread)) ** 2, 0, None) ** 2, 0.0)
    return residual, weight, float(gain)


def _values(ct: CoarseCt, points: FloatArray, step_mm: float) -> tuple[FloatArray, FloatArray]:
    """(n,) HU and (n, 3) its slope per mm at points, by central differences."""
    steps = np.eye(3) * step_mm / 2
    slope = np.stack([ct.at(points + s) - ct.at(points - s) for s in steps], axis=-1) / step_mm
    return ct.at(points).astype(np.float64), slope.astype(np.float64)
