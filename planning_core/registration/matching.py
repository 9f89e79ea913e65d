"""Which bead is which: correspondence from distances alone, with beads missing and metal too many."""

from __future__ import annotations

from itertools import combinations, permutations

import attrs
import numpy as np
from scipy.spatial import cKDTree

from planning_core.geometry.arrays import FloatArray
from planning_core.registration.config import MatchConfig
from planning_core.registration.points import rigid_fit
from planning_core.registration.refusals import (
    AmbiguousBeadsError,
    MirroredPlateError,
    PlateNotFoundError,
    TooFewBeadsError,
    TooMuchMetalError,
)

SHORTEST_SIDE_MM = 8.0
"""Triangles with a shorter side, or flatter than this, propose poses too loosely to be worth a look."""
AT_ONCE = 20_000


@attrs.frozen
class Match:
    """Which bead is which.

    Args:
        pairs: (plate bead, found bead) by index, in the plate's order.
        missing: beads of the plate that were not found. extra: found ones that are not the plate's.
        rms_mm: of the matched beads about the best pose.
        runner_up: beads that the best other arrangement matches.
    """

    pairs: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    rms_mm: float
    runner_up: int


def match_beads(plate_mm: FloatArray, found_mm: FloatArray, config: MatchConfig | None = None) -> Match:
    """Pair a plate's beads with those found, whatever their order.

    Congruent triangles propose poses; the pose that puts most beads in place wins, if no other comes near.

    Args:
        plate_mm: (n, 3). found_mm: (m, 3), in any rigid frame.

    Raises:
        TooFewBeadsError: fewer found than needed.
        TooMuchMetalError: more found than can be told apart.
        MirroredPlateError: only the plate's mirror image matches.
        PlateNotFoundError: no pose puts enough beads in place.
        AmbiguousBeadsError: another arrangement matches nearly as many.
    """
    config = config or MatchConfig()
    n, m = len(plate_mm), len(found_mm)
    if m < config.min_beads:
        raise TooFewBeadsError(
            f"{m} beads are in view, at least {config.min_beads} are needed: bring the plate into the scan's field",
            found=m,
            needed=config.min_beads,
        )
    if m > config.max_beads:
        raise TooMuchMetalError(
            f"{m} beads are in view, at most {config.max_beads} can be told apart", found=m, limit=config.max_beads
        )
    arrangements = _arrangements(plate_mm, found_mm, config.tolerance_mm)
    best = arrangements[0] if arrangements else ()
    if len(best) < config.min_beads:
        mirrored = _arrangements(plate_mm * [1, 1, -1], found_mm, config.tolerance_mm)
        if mirrored and len(mirrored[0]) >= config.min_beads:
            raise MirroredPlateError(
                f"{len(mirrored[0])} beads match the plate's mirror image: the images' axes are flipped",
                matched=len(mirrored[0]),
                needed=config.min_beads,
                found=m,
            )
        raise PlateNotFoundError(
            f"{len(best)} of {m} beads in view match the plate, at least {config.min_beads} are needed: is it another plate?",
            matched=len(best),
            needed=config.min_beads,
            found=m,
        )
    # an arrangement with a few pairs exchanged is another one; one with fewer of the same pairs is not
    others = [a for a in arrangements[1:] if len(set(a) - set(best)) >= 3]
    other = len(others[0]) if others else 0
    if other > len(best) - config.lead:
        raise AmbiguousBeadsError(
            f"the beads in view fit the plate in two ways, with {len(best)} and {other} beads", matched=len(best), other=other
        )
    pairs = tuple(sorted(best))
    a, b = (list(column) for column in zip(*pairs, strict=True))
    turn, shift = rigid_fit(found_mm[b], plate_mm[a])
    rms = float(np.sqrt(((plate_mm[a] @ turn.T + shift - found_mm[b]) ** 2).sum(axis=1).mean()))
    return Match(pairs, tuple(set(range(n)) - set(a)), tuple(set(range(m)) - set(b)), rms, other)


def likeness(pattern_mm: FloatArray, tolerance_mm: float, mirrored: bool) -> int:
    """How many beads of a pattern fall on others of it when it is turned (or mirrored and turned) away from its own place."""
    seen = pattern_mm * [1, 1, -1] if mirrored else pattern_mm
    for arrangement in _arrangements(pattern_mm, seen, tolerance_mm):
        if mirrored or any(a != b for a, b in arrangement):
            return len(arrangement)
    return 0


def _arrangements(plate: FloatArray, found: FloatArray, tolerance: float) -> list[tuple[tuple[int, int], ...]]:
    """Distinct pairings that congruent triangles lead to, most pairs first."""
    here = _triangles(plate, ordered=True)
    there = _triangles(found, ordered=False)
    if not len(here) or not len(there):
        return []
    near = cKDTree(_sides(plate, here)).query_ball_point(_sides(found, there), np.sqrt(3) * tolerance)
    counts = np.array([len(x) for x in near])
    proposals = np.concatenate([np.array(x, int) for x in near]) if counts.sum() else np.zeros(0, int)
    ours, theirs = here[proposals], np.repeat(there, counts, axis=0)
    kept: set[tuple[tuple[int, int], ...]] = set()
    tree = cKDTree(found)
    for start in range(0, len(ours), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        turn, shift = rigid_fit(found[theirs[part]], plate[ours[part]])
        # a triangle's own pose is worse than the final one: look twice as far, then refit
        for _ in range(2):
            moved = np.einsum("hab,nb->hna", turn, plate) + shift[:, None]
            away, index = tree.query(moved, distance_upper_bound=2 * tolerance)
            seen = np.isfinite(away)
            turn, shift = rigid_fit(found[np.where(seen, index, 0)], np.broadcast_to(plate, moved.shape), seen + 1e-9)
        moved = np.einsum("hab,nb->hna", turn, plate) + shift[:, None]
        away, index = tree.query(moved, distance_upper_bound=tolerance)
        kept |= {_pairing(a, i) for a, i in zip(away, index, strict=True) if np.isfinite(a).sum() >= 3}
    return sorted(kept, key=lambda pairs: (-len(pairs), pairs))


def _pairing(away: FloatArray, index: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Each found bead goes to the nearest of the plate's beads."""
    taken: dict[int, tuple[float, int]] = {}
    for bead in np.flatnonzero(np.isfinite(away)):
        claim = (float(away[bead]), int(bead))
        taken[int(index[bead])] = min(taken.get(int(index[bead]), claim), claim)
    return tuple(sorted((bead, found) for found, (_, bead) in taken.items()))


def _triangles(points: FloatArray, ordered: bool) -> np.ndarray:
    """(t, 3) indices of triangles that are neither small nor flat; in every order, or in one."""
    triples = np.array(list(permutations(range(len(points)), 3) if ordered else combinations(range(len(points)), 3)), int)
    if not len(triples):
        return triples.reshape(0, 3)
    sides = _sides(points, triples)
    a, b, c = points[triples].transpose(1, 0, 2)
    height = np.linalg.norm(np.cross(b - a, c - a), axis=1) / np.maximum(sides.max(axis=1), 1e-9)
    return np.asarray(triples[(sides.min(axis=1) > SHORTEST_SIDE_MM) & (height > SHORTEST_SIDE_MM)])


def _sides(points: FloatArray, triples: np.ndarray) -> FloatArray:
    a, b, c = points[triples].transpose(1, 0, 2)
    return np.stack([np.linalg.norm(b - a, axis=1), np.linalg.norm(c - b, axis=1), np.linalg.norm(a - c, axis=1)], axis=1)
