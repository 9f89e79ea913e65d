"""From the spine map to one pose per vertebra: where the discs lie along the bodies' centre line.

The line is cut at discs by dynamic programming, which weighs how disc-like each cut is, how body-like what lies between
two cuts is, and how evenly spaced neighbouring cuts are.
"""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from scipy.interpolate import UnivariateSpline

from planning_core.anatomy.canal_path import CanalPath, NoSpineError
from planning_core.anatomy.disc_signal import disc_signal
from planning_core.anatomy.pose import VertebraPose
from planning_core.anatomy.spine_map import SpineMap
from planning_core.geometry.arrays import Float32Array, FloatArray, frozen_float64
from planning_core.imaging.resample import CoarseCt

PITCH_MM = (13, 50)
"""Disc to disc, from a collapsed upper thoracic vertebra to a large lumbar one with its disc."""
DISC_COST = 0.15
UNEVEN_COST = 0.6
FLAW_COST = 0.3
SURE_DISC = 0.4
SIGNAL_SHARE = 0.15
SIGNAL_COST = 1.4
WEAK_SIGNAL = 0.5
BODY_RADIUS_MM = 11.0
LEAST_BODY = 0.35
REACH_MM = 45.0


@attrs.frozen(eq=False)
class CentreLine:
    """The line through the bodies, one sample per mm from head to foot.

    Args:
        points_lps_mm, tangents: (n, 3); tangents are unit and point to the feet.
        body, disc, sacrum: (n,) mean probability in a small disc across the line.
        signal: (n,) ``disc_signal`` along it.
    """

    points_lps_mm: FloatArray = attrs.field(converter=frozen_float64)
    tangents: FloatArray = attrs.field(converter=frozen_float64)
    body: FloatArray = attrs.field(converter=frozen_float64)
    signal: FloatArray = attrs.field(converter=frozen_float64)
    disc: FloatArray = attrs.field(converter=frozen_float64)
    sacrum: FloatArray = attrs.field(converter=frozen_float64)


@attrs.frozen(eq=False)
class Candidate:
    """A vertebra between two discs, or between a disc and an end of what is seen.

    Args:
        pose: of its body. pitch_mm: from cut to cut. open_above, open_below: no disc seen on that side.
    """

    pose: VertebraPose
    pitch_mm: float
    open_above: bool
    open_below: bool


def find_bodies(spine: SpineMap, canal: CanalPath, ct: CoarseCt) -> tuple[list[Candidate], CentreLine]:
    """All vertebrae along the canal, head to foot, with the line they lie on.

    Raises:
        NoSpineError: not a single disc between two bodies.
    """
    line = centre_line(spine, canal, ct)
    cuts = cut_at_discs(line)
    if len(cuts) == 0:
        raise NoSpineError(f"no intervertebral disc found along {len(line.body)} mm of spine", found=0)
    ends = _with_open_ends(line, cuts)
    candidates = []
    for top, bottom, above, below in ends:
        middle = min(round((top + bottom) / 2), len(line.body) - 1)
        centre = line.points_lps_mm[middle]
        behind = canal.at_height(centre[2:])[0] - centre
        pose = VertebraPose.facing(centre, -line.tangents[middle], behind)
        candidates.append(Candidate(pose, float(bottom - top), above, below))
    return candidates, line


def centre_line(spine: SpineMap, canal: CanalPath, ct: CoarseCt) -> CentreLine:
    """The curve through the middle of bodies and discs, with what the map says along it."""
    mass = spine.of("body") + spine.of("disc")
    mass = np.where(mass > 0.3, mass, 0)
    points = spine.grid.points(np.argwhere(mass > 0))
    weight = mass[mass > 0]
    behind = canal.at_height(points[:, 2])
    near = np.linalg.norm(points[:, :2] - behind[:, :2], axis=1) < REACH_MM
    points, weight = points[near], weight[near]
    slices = np.round((points[:, 2] - spine.grid.origin_mm[2]) / spine.grid.spacing_mm[2]).astype(int)
    area = np.bincount(slices, weight, minlength=spine.grid.shape[0])
    enough = np.flatnonzero(area * spine.grid.spacing_mm[0] ** 2 > 150)
    if len(enough) < 8:
        raise NoSpineError(f"vertebral bodies in only {len(enough)} slices of 3 mm", found=len(enough))
    z = spine.grid.origin_mm[2] + enough * spine.grid.spacing_mm[2]
    curve = []
    for axis in (0, 1):
        value = np.bincount(slices, weight * points[:, axis], minlength=spine.grid.shape[0])[enough] / area[enough]
        curve.append(UnivariateSpline(z, value, w=np.full(len(z), 1 / 2.0), s=len(z)))
    fine = np.arange(z[-1] + 1, z[0] - 1, -0.25)
    path = np.column_stack([curve[0](fine), curve[1](fine), fine])
    arc = np.r_[0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]
    even = np.column_stack([np.interp(np.arange(0, arc[-1]), arc, path[:, axis]) for axis in range(3)])
    tangents = ndi.gaussian_filter1d(np.gradient(even, axis=0), 6, axis=0, mode="nearest")
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    across = _across(tangents)
    body, disc, sacrum = (_profile(spine.of(name), spine, even, across) for name in ("body", "disc", "sacrum"))
    return CentreLine(even, tangents, body, disc_signal(ct, even, tangents, canal), disc, sacrum)


def cut_at_discs(line: CentreLine) -> np.ndarray:
    """Indices (n,) of the best chain of discs along the line, head to foot; may be a single one, or none."""
    disc = ndi.gaussian_filter1d(line.disc, 1.5)
    low, high = PITCH_MM
    pitches = np.arange(low, high + 1)
    # towards the head discs become thinner than the map's voxels: there the signal decides; lumbar ones the map sees
    last = int(np.flatnonzero(disc > SURE_DISC)[-1]) if (disc > SURE_DISC).any() else len(disc)
    fine = SIGNAL_SHARE * (np.clip(line.signal, -2, 4) - SIGNAL_COST)
    gain = np.where(np.arange(len(disc)) < last + 8, np.maximum(disc - DISC_COST, -0.05) + fine, disc - DISC_COST)
    bodies, discs = (np.r_[0, np.cumsum(p)] for p in (line.body, line.disc))
    n = len(disc)
    best = np.full((n, len(pitches)), -np.inf)
    came = np.full((n, len(pitches)), -1)
    uneven = UNEVEN_COST * np.log(pitches[:, None] / pitches[None]) ** 2
    for here in range(low, n):
        for p, pitch in enumerate(pitches[: max(0, here - low + 1)]):
            before = here - pitch
            if before < 0:
                break
            a, b = before + 4, here - 4
            body = (bodies[b] - bodies[a]) / (b - a)
            if body < LEAST_BODY:
                continue
            flaw = 1 - body + 2.0 * (discs[b] - discs[a]) / (b - a)
            options = best[before] - uneven[p]
            onward = int(options.argmax())
            start = gain[before]
            if options[onward] > start:
                best[here, p], came[here, p] = options[onward] + gain[here] - FLAW_COST * flaw, onward
            else:
                best[here, p] = start + gain[here] - FLAW_COST * flaw
    if not np.isfinite(best).any() or best.max() <= 0:
        single = int(disc.argmax())
        return np.array([single]) if disc[single] > 2 * DISC_COST else np.zeros(0, int)
    last, p = (int(n) for n in np.unravel_index(best.argmax(), best.shape))
    chain = [last]
    while p >= 0:
        before = chain[-1] - int(pitches[p])
        p = int(came[chain[-1], p])
        chain.append(before)
    return np.array(_towards_head(line, chain[::-1]))


def _towards_head(line: CentreLine, cuts: list[int]) -> list[int]:
    """The chain carried on upwards: bodies go on, so the next disc is where the signal peaks about one pitch further."""
    while len(cuts) > 1:
        pitch = cuts[1] - cuts[0]
        low, high = cuts[0] - round(1.2 * pitch), cuts[0] - round(0.75 * pitch)
        if low < 0 or high - low < 2:
            break
        found = low + int(line.signal[low:high].argmax())
        if line.signal[found] < WEAK_SIGNAL or line.body[found + 4 : cuts[0] - 4].mean() < LEAST_BODY:
            break
        cuts = [found, *cuts]
    return cuts


def _with_open_ends(line: CentreLine, cuts: np.ndarray) -> list[tuple[float, float, bool, bool]]:
    """(top, bottom, open above, open below) of each vertebra: between cuts, and beyond the outer cuts where bodies go on."""
    spans = [(float(a), float(b), False, False) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    usual = float(np.median(np.diff(cuts))) if len(cuts) > 1 else 30.0
    first = float(cuts[1] - cuts[0]) if len(cuts) > 1 else usual
    last = float(cuts[-1] - cuts[-2]) if len(cuts) > 1 else usual
    top = _end_of_body(line, int(cuts[0]), -1, first)
    if top is not None:
        spans.insert(0, (top, float(cuts[0]), True, False))
    bottom = _end_of_body(line, int(cuts[-1]), 1, last)
    if bottom is not None:
        spans.append((float(cuts[-1]), bottom, False, True))
    return spans


def _end_of_body(line: CentreLine, cut: int, way: int, pitch: float) -> float | None:
    """Where the body beyond an outer disc ends; ``None`` where no body follows, or a sacrum does."""
    reach = np.arange(cut + 4 * way, cut + way * round(1.15 * pitch), way)
    reach = reach[(reach >= 0) & (reach < len(line.body))]
    solid = line.body[reach] > LEAST_BODY if len(reach) else np.zeros(0, bool)
    if solid.sum() < 6 or line.sacrum[reach].mean() > line.body[reach].mean():
        return None
    return float(cut + way * min(pitch, 6.0 + float(np.flatnonzero(solid)[-1])))


def _across(tangents: FloatArray) -> FloatArray:
    """(n, m, 3) mm: offsets of a small disc perpendicular to each tangent."""
    left = np.cross(tangents, [0.0, 1.0, 0.0])
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    back = np.cross(tangents, left)
    side = np.arange(-BODY_RADIUS_MM, BODY_RADIUS_MM + 0.1, 2.75)
    u, v = (a.ravel() for a in np.meshgrid(side, side))
    round_ = u**2 + v**2 <= BODY_RADIUS_MM**2 + 0.1
    return np.asarray(left[:, None] * u[round_][None, :, None] + back[:, None] * v[round_][None, :, None])


def _profile(probability: Float32Array, spine: SpineMap, centres: FloatArray, across: FloatArray) -> FloatArray:
    index = spine.grid.indices(centres[:, None] + across)
    flat = ndi.map_coordinates(probability, index.reshape(-1, 3).T, order=1, mode="constant")
    return np.asarray(flat.reshape(index.shape[:2]).mean(axis=1), dtype=np.float64)
