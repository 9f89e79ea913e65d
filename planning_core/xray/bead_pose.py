"""Which shadow is which bead: poses from every three large ones, judged by how many of all beads they explain."""

from __future__ import annotations

from itertools import combinations, permutations

import attrs
import numpy as np

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.bead_shadows import Shadows
from planning_core.xray.geometry import CAMERA, PinholeView
from planning_core.xray.phantom import PHANTOM, BeadPhantom

REAL = 1e-6
MOST_LARGE = 10
ALIKE = 0.7
"""A phantom's beads lie about as far from the source as each other: depths in a ratio beyond this are not looked at."""
MOST_TRIPLES = 8
"""Of large shadows, the most spread first: one without a false shadow will do."""


def three_point_poses(beads: FloatArray, rays: FloatArray) -> list[RigidTransform]:
    """T_camera_phantom for which three points lie on three rays from the source, up to four (Grunert 1841, in Haralick 1994).

    Args:
        beads: (3, 3) mm. rays: (3, 3) unit directions in the camera frame.
    """
    aa, bb, cc = (float(((beads[i] - beads[j]) ** 2).sum()) for i, j in ((1, 2), (0, 2), (0, 1)))
    ca, cb, cg = (float(rays[i] @ rays[j]) for i, j in ((1, 2), (0, 2), (0, 1)))
    if min(aa, bb, cc) <= 0:
        return []
    less, more, rest = (aa - cc) / bb, (aa + cc) / bb, cc / bb
    quartic = [
        (less - 1) ** 2 - 4 * rest * ca**2,
        4 * (less * (1 - less) * cb - (1 - more) * ca * cg + 2 * rest * ca**2 * cb),
        2
        * (less**2 - 1 + 2 * less**2 * cb**2 + 2 * (bb - cc) / bb * ca**2 - 4 * more * ca * cb * cg + 2 * (bb - aa) / bb * cg**2),
        4 * (-less * (1 + less) * cb + 2 * aa / bb * cg**2 * cb - (1 - more) * ca * cg),
        (1 + less) ** 2 - 4 * aa / bb * cg**2,
    ]
    if not np.isfinite(quartic).all() or abs(quartic[0]) < 1e-14:
        return []
    poses = []
    for root in np.roots(quartic):
        if abs(root.imag) > 1e-3 * max(1.0, abs(root.real)) or root.real <= 0:
            continue
        v = float(root.real)
        below = 2 * (cg - v * ca)
        along = 1 + v * v - 2 * v * cb
        if abs(below) < REAL or along < REAL:
            continue
        u = ((less - 1) * v * v - 2 * less * cb * v + 1 + less) / below
        first = np.sqrt(bb / along)
        if ALIKE < u < 1 / ALIKE and ALIKE < v < 1 / ALIKE:
            poses.append(_triad(beads, rays * (first * np.array([1.0, u, v]))[:, None]))
    return poses


def _triad(src: FloatArray, dst: FloatArray) -> RigidTransform:
    """T_camera_phantom that lays three points upon three, their plane and first edge exactly."""

    def axes(points: FloatArray) -> FloatArray:
        x = points[1] - points[0]
        x = x / np.linalg.norm(x)
        z = np.cross(x, points[2] - points[0])
        z = z / np.linalg.norm(z)
        return np.stack([x, np.cross(z, x), z], axis=-1)

    turn = axes(dst) @ axes(src).T
    return RigidTransform.from_parts(CAMERA, PHANTOM, turn, dst.mean(axis=0) - turn @ src.mean(axis=0))


def _spread(pixels: FloatArray) -> float:
    """Area of three pixels' triangle."""
    (a, b), (c, d) = (pixels[1:] - pixels[0]).tolist()
    return abs(a * d - b * c) / 2


def pairs_of(view: PinholeView, phantom: BeadPhantom, shadows: Shadows, tolerance_px: float) -> list[tuple[int, int]]:
    """(bead, shadow) of one size that are each other's nearest, within a tolerance."""
    seen = view.project(phantom.beads_mm)
    apart = np.linalg.norm(seen[:, None] - shadows.pixels[None], axis=-1)
    apart = np.where(phantom.large[:, None] == shadows.large[None], apart, np.inf)
    nearest = apart.argmin(axis=1)
    return [(n, int(s)) for n, s in enumerate(nearest) if apart[n, s] <= tolerance_px and apart[:, s].argmin() == n]


def first_pose(nominal: PinholeView, phantom: BeadPhantom, shadows: Shadows, tolerance_px: float) -> tuple[PinholeView, int]:
    """The view of ``phantom`` that explains most shadows, and how many; only ``nominal``'s intrinsics are used."""
    inverse = np.linalg.inv(nominal.intrinsic)
    ahead = np.column_stack([shadows.pixels[:, ::-1], np.ones(len(shadows.pixels))]) @ inverse.T
    rays = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    beads, most = np.flatnonzero(phantom.large), len(shadows.pixels)
    large = np.flatnonzero(shadows.large)[:MOST_LARGE]
    best, explained = nominal, 0
    for three in sorted(combinations(large.tolist(), 3), key=lambda t: -_spread(shadows.pixels[list(t)]))[:MOST_TRIPLES]:
        for chosen in permutations(beads.tolist(), 3):
            for pose in three_point_poses(phantom.beads_mm[list(chosen)], rays[list(three)]):
                depth = pose.apply(phantom.beads_mm)[:, 2]
                if depth.min() < 0.2 * nominal.source_to_detector_mm or depth.max() > nominal.source_to_detector_mm:
                    continue
                view = attrs.evolve(nominal, camera_from_scene=pose)
                count = len(pairs_of(view, phantom, shadows, tolerance_px))
                if count > explained:
                    best, explained = view, count
        if explained >= 0.8 * min(most, len(phantom.beads_mm)):
            break
    return best, explained
