"""What the search and the report know about a straight path: margins in mm, for many paths at once.

A path is a line through ``gate`` (a point in the pedicle) to ``tip``. The *pedicle* is the stretch of the line from the
canal's middle depth to its root in the body, ``ROOT_MM`` in front of the posterior wall. Further back the bone opens into
lamina, articular and transverse process, whose posterior face the cannula must pass, so that distance to the surface says
nothing about the walls. Over the pedicle it does: the least depth of the axis in bone, less the radius, is the clearance,
whichever wall is nearest. Behind the pedicle the axis must stay in bone up to the entry and outside it from there on, and
clear of the canal all the way.
"""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.corridor import Corridor

AHEAD_MM = 12.0
LEAST_DEPTH_MM = 2.5
COVER_MM = 6.0
ROOT_MM = 4.0
FLATTEST = 0.35


@attrs.frozen(eq=False)
class Sampling:
    """How densely a path is looked at: points over the pedicle and the body, step behind and ahead."""

    pedicle: int
    body: int
    step_mm: float


COARSE = Sampling(13, 9, 1.5)
FINE = Sampling(41, 61, 0.25)


@attrs.frozen(eq=False)
class Lines:
    """Straight paths in lateral coordinates.

    Args:
        gate: (n, 3) mm, somewhere in the pedicle. tip: (n, 3) mm.
    """

    gate: FloatArray
    tip: FloatArray

    @property
    def direction(self) -> FloatArray:
        """(n, 3) unit, forwards."""
        way = self.tip - self.gate
        return np.asarray(way / np.linalg.norm(way, axis=-1, keepdims=True))

    def take(self, chosen: np.ndarray) -> Lines:
        """Some of the lines."""
        return Lines(self.gate[chosen], self.tip[chosen])


@attrs.frozen(eq=False)
class PedicleMeasures:
    """Over the pedicle, each (n,): least depth of the axis in bone, the same wherever in its voxel the wall lies, least distance
    of the axis to the canal, whether valid."""

    depth_mm: FloatArray
    sure_mm: FloatArray
    canal_mm: FloatArray
    sound: np.ndarray


@attrs.frozen(eq=False)
class PathMeasures:
    """Along the rest of the path, each (n,) mm unless named otherwise.

    Args:
        entry: (n, 3) where the axis enters bone, lateral coordinates.
        enters_once: (n,) bool: in bone without a gap from entry to tip, and not in bone before.
        canal_mm: axis to canal over everything. approach_mm: own bone beside the way before entry (axis to surface).
        other_mm: axis to other vertebrae, before and after entry.
        body_mm: least depth in bone from wall to tip. tip_mm: depth of the tip itself.
        endplate_mm: axis to the nearer endplate. ahead_mm: bone ahead of the tip.
        incidence_cos: cosine between path and the surface's normal at entry. bone_behind_mm: from entry to the pedicle.
        cover_mm: least depth of the axis just behind the pedicle, where its walls turn into the arch.
    """

    entry: FloatArray
    enters_once: np.ndarray
    canal_mm: FloatArray
    approach_mm: FloatArray
    other_mm: FloatArray
    body_mm: FloatArray
    tip_mm: FloatArray
    endplate_mm: FloatArray
    ahead_mm: FloatArray
    incidence_cos: FloatArray
    bone_behind_mm: FloatArray
    cover_mm: FloatArray


def along(gate: FloatArray, direction: FloatArray, s: FloatArray) -> FloatArray:
    """Points (n, m, 3) on lines at distances s (n, m) or (m,) mm from the gate, forwards positive."""
    return np.asarray(gate[:, None, :] + np.broadcast_to(s, (len(gate), s.shape[-1]))[..., None] * direction[:, None, :])


def pedicle_stretch(corridor: Corridor, lines: Lines) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Where lines begin and end their way through the pedicle: (n,) mm from the gate (back, front), and whether they do."""
    d = lines.direction
    slope = d[:, 1] - corridor.wall[1] * d[:, 0] - corridor.wall[2] * d[:, 2]
    forwards = slope < -FLATTEST
    slope = np.where(forwards, slope, -1.0)
    behind = corridor.behind_wall(lines.gate)
    front, back = (-ROOT_MM - behind) / slope, (corridor.pedicle_end_mm - behind) / slope
    reach = np.linalg.norm(lines.tip - lines.gate, axis=1)
    return back, np.minimum(front, reach), forwards & (front < reach)


def measure_pedicle(corridor: Corridor, lines: Lines, sampling: Sampling = COARSE) -> PedicleMeasures:
    """The part of the measures that most lines fail, and the cheapest."""
    back, front, sound = pedicle_stretch(corridor, lines)
    share = np.linspace(0, 1, sampling.pedicle)
    points = along(lines.gate, lines.direction, back[:, None] + (front - back)[:, None] * share)
    return PedicleMeasures(
        corridor.least_depth(points),
        corridor.least_sure_depth(points),
        corridor.canal_distance(points).min(axis=1),
        sound,
    )


def measure_path(
    corridor: Corridor, lines: Lines, pathway_mm: float, sampling: Sampling = COARSE, closed: bool = True
) -> PathMeasures:
    """Everything before and beyond the pedicle.

    Args:
        pathway_mm: how far before the entry the cannula's way is looked at.
        closed: whether the axis lies in bone at the pedicle's back end; else (extrapedicular) bone is first met further on.
    """
    d = lines.direction
    back, front, _ = pedicle_stretch(corridor, lines)
    reach = np.linalg.norm(lines.tip - lines.gate, axis=1)
    before = np.arange(0, pathway_mm, sampling.step_mm)
    approach = along(lines.gate, d, back[:, None] - before)
    depth = corridor.depth(approach)
    body = along(lines.gate, d, front[:, None] + (reach - front)[:, None] * np.linspace(0, 1, sampling.body))
    body_depth = corridor.depth(body)
    if closed:
        last, gap = _surface(depth, before)
        entry_s = back - last
        once = gap & (body_depth[:, :-1].min(axis=1) > 0)
    else:
        whole_way = back[:, None] + np.arange(-pathway_mm, 1.0, sampling.step_mm)
        inner = back[:, None] + (front - back)[:, None] * np.linspace(0, 1, sampling.pedicle)[1:]
        s = np.concatenate(
            [whole_way, inner, front[:, None] + (reach - front)[:, None] * np.linspace(0, 1, sampling.body)[1:]], axis=1
        )
        inside = corridor.depth(along(lines.gate, d, s)) > 0
        entry_s = s[np.arange(len(s)), inside.argmax(axis=1)]
        once = inside[:, -1]
    outside = back[:, None] - before < entry_s[:, None] - LEAST_DEPTH_MM
    entry = lines.gate + entry_s[:, None] * d
    step = 0.5
    gradient = np.stack([corridor.depth(entry - e) - corridor.depth(entry + e) for e in np.eye(3) * step], axis=-1)
    gradient /= np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-9)
    pedicle = along(lines.gate, d, back[:, None] + (front - back)[:, None] * np.linspace(0, 1, sampling.pedicle))
    everywhere = np.concatenate([approach, pedicle, body], axis=1)
    tips = along(lines.gate, d, reach[:, None] + np.arange(0, AHEAD_MM, sampling.step_mm / 2))
    ahead, _ = _surface(corridor.depth(tips), np.arange(0, AHEAD_MM, sampling.step_mm / 2))
    return PathMeasures(
        entry,
        np.asarray(once),
        corridor.canal_distance(everywhere).min(axis=1),
        np.where(outside, -depth, np.inf).min(axis=1),
        corridor.other_distance(everywhere).min(axis=1),
        body_depth.min(axis=1),
        body_depth[:, -1],
        corridor.endplate_distance(body).min(axis=1),
        ahead,
        np.asarray(-(gradient * d).sum(axis=1)),
        np.maximum(back - entry_s, 0.0),
        depth[:, before <= COVER_MM].min(axis=1),
    )


def _surface(depth: FloatArray, way: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """Where the depth along a way first falls to zero (n,) mm, and whether it started in bone and stays out from there."""
    outside = depth <= 0
    first = np.where(outside.any(axis=1), outside.argmax(axis=1), depth.shape[1] - 1)
    row = np.arange(len(depth))
    inner = np.maximum(first - 1, 0)
    a, b = depth[row, inner], depth[row, first]
    share = np.where((first > 0) & (a > b), a / np.maximum(a - b, 1e-9), 0.0)
    place = way[inner] + np.clip(share, 0, 1) * (way[first] - way[inner])
    later = np.arange(depth.shape[1]) >= first[:, None]
    return np.asarray(place), np.asarray(outside.any(axis=1) & (first > 0) & ~(later & (depth > 0)).any(axis=1))
