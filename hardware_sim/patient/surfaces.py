"""Signed distances of a made-up vertebra's parts, in its own frame (x left, y posterior, z superior), mm."""

from __future__ import annotations

import numpy as np

from hardware_sim.patient.anatomy import FractureSpec, VertebraShape
from planning_core.geometry.arrays import FloatArray

RIM_MM = 2.0


def smooth_union(a: FloatArray, b: FloatArray, radius_mm: float = 1.5) -> FloatArray:
    """The union of two distances with a fillet."""
    mix = np.clip(0.5 + 0.5 * (b - a) / radius_mm, 0, 1)
    return np.asarray(b + (a - b) * mix - radius_mm * mix * (1 - mix))


def capsule(
    points: FloatArray, start: FloatArray, end: FloatArray, radii: tuple[float, float], flat: FloatArray | None = None
) -> FloatArray:
    """Distance to a rod from start to end whose radius goes from one to the other; ``flat`` squeezes it along x, y, z."""
    stretch = np.ones(3) if flat is None else 1 / np.asarray(flat)
    p, a, b = (np.asarray(q) * stretch for q in (points, start, end))
    way = b - a
    share = np.clip((p - a) @ way / (way @ way), 0, 1)
    away = np.linalg.norm(p - a - share[..., None] * way, axis=-1)
    return np.asarray((away - (radii[0] + (radii[1] - radii[0]) * share)) / stretch.max())


def body(points: FloatArray, shape: VertebraShape, fracture: FractureSpec | None) -> FloatArray:
    """A waisted body with slightly hollow endplates and a flat back; collapsed where a fracture says so."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    half_w, half_d = shape.width / 2, shape.depth / 2
    forward = np.clip((half_d - y) / (2 * half_d), 0, 1)
    height = shape.posterior + (shape.anterior - shape.posterior) * forward
    hollow = 1.2 * np.exp(-((x / (0.6 * half_w)) ** 2 + (y / (0.6 * half_d)) ** 2))
    top, bottom = height / 2 - hollow, -height / 2 + hollow
    if fracture is not None:
        lost_top, lost_bottom = collapse(x, y, shape, fracture)
        top, bottom = top - lost_top, bottom + lost_bottom
    waist = 1.6 * np.cos(np.clip(2 * z / shape.posterior, -1, 1) * np.pi / 2)
    back_flat = np.where(y > 0, np.abs(y / (half_d - waist / 2)) ** 4, np.abs(y / (half_d - waist)) ** 2.2)
    radial = (np.abs(x / (half_w - waist)) ** 2.4 + back_flat) ** (1 / 2.4)
    side = (radial - 1) * min(half_w, half_d) * 0.9
    return np.asarray(np.maximum(side, np.maximum(z - top, bottom - z)))


def collapse(x: FloatArray, y: FloatArray, shape: VertebraShape, fracture: FractureSpec) -> tuple[FloatArray, FloatArray]:
    """How far the upper endplate came down and the lower one up at each place, mm."""
    half_d = shape.depth / 2
    forward = np.clip((half_d - y) / (2 * half_d), 0, 1.05)
    full = fracture.loss * (shape.posterior + shape.anterior) / 2
    if fracture.kind == "wedge":
        return full * forward, np.zeros_like(forward)
    if fracture.kind == "biconcave":
        bowl = np.exp(-((x / (0.45 * shape.width)) ** 2 + ((y + 1) / (0.45 * shape.depth)) ** 2) * 1.5)
        return 0.6 * full * bowl, 0.4 * full * bowl
    return full * (0.55 + 0.45 * forward), 0.0 * forward


def arch(points: FloatArray, shape: VertebraShape) -> FloatArray:
    """Pedicles, laminae, articular, transverse and spinous processes."""
    half_d, spread, ph = shape.depth / 2, shape.pedicle_spread / 2, shape.pedicle_height
    canal_back = half_d + 17.0
    up = 0.16 * shape.posterior
    lumbar = shape.level.is_lumbar
    result = np.full(points.shape[:-1], 99.0)
    tall = np.array([1.0, 1.0, ph / shape.pedicle_width])
    for sign in (1.0, -1.0):
        root = np.array([sign * (spread + 0.5), half_d - 4, up])
        joint = np.array([sign * (spread + 3.0), half_d + 11, up])
        radius = shape.pedicle_width / 2
        result = smooth_union(result, capsule(points, root, joint, (radius, radius), tall))
        lamina_top, lamina_end = joint + [0, 2, -3], np.array([0.0, canal_back + 3, -0.28 * shape.posterior])
        result = smooth_union(result, capsule(points, lamina_top, lamina_end, (4.2, 3.4), np.array([1.0, 0.8, 2.2])))
        for way, reach in ((1.0, 0.62), (-1.0, 0.85)):
            tip = joint + [sign * (1.5 if way > 0 else -2.5), 3.0, way * reach * shape.posterior]
            result = smooth_union(result, capsule(points, joint + [0, 2, 0], tip, (5.0, 4.0)))
        reach = (24 if shape.level.value == "L3" else 20) if lumbar else 15
        wing = joint + [sign * reach, 5 if lumbar else 10, 2 if lumbar else 4]
        result = smooth_union(result, capsule(points, joint, wing, (4.6, 3.0), np.array([1.0, 0.8, 1.3])))
    spine_tip = np.array([0.0, canal_back + (28 if lumbar else 24), -0.35 * shape.posterior - (2 if lumbar else 20)])
    return smooth_union(
        result,
        capsule(
            points, np.array([0.0, canal_back + 4, -4.0]), spine_tip, (3.4, 3.8), np.array([1.0, 1.0, 2.4 if lumbar else 1.5])
        ),
    )


def canal(points: FloatArray, shape: VertebraShape) -> FloatArray:
    """The canal: an ellipse behind the body, all along."""
    half_d, half_w = shape.depth / 2, shape.pedicle_spread / 2 - shape.pedicle_width / 2 + 0.5
    y = points[..., 1] - half_d - 8.5
    return np.asarray((np.hypot(points[..., 0] / half_w, y / 8.0) - 1) * 8.0)


def rib(points: FloatArray, shape: VertebraShape) -> FloatArray:
    """Both ribs of a thoracic vertebra: from the body's flank along the transverse process, then round the chest."""
    result = np.full(points.shape[:-1], np.inf)
    half_w, half_d = shape.width / 2, shape.depth / 2
    for sign in (1.0, -1.0):
        knots = [
            (half_w + 2.5, half_d - 3, 7),
            (half_w + 13, half_d + 16, 5),
            (half_w + 36, half_d + 22, -9),
            (half_w + 62, half_d - 2, -30),
        ]
        knots = knots[: 3 if shape.level.value == "T12" else 4]
        for a, b in zip(knots[:-1], knots[1:], strict=True):
            result = np.minimum(
                result,
                capsule(points, np.array(a) * [sign, 1, 1], np.array(b) * [sign, 1, 1], (3.6, 3.4), np.array([1, 0.8, 1.4])),
            )
    return result
