"""The best any straight cannula could do in a pedicle, by brute force on the raw mask: tells impossible from missed.

Every line through a lattice of places in the pedicle and a fan of directions is measured on samples of the raw distance, the
best of them are moved and turned while that helps, and the winners are measured exactly, the way ``raw_pedicle`` measures the
planner's paths. Entry, target, endplates and facet joints do not count here: it is an upper bound, not a plan.
"""

from __future__ import annotations

import attrs
import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from benchmarks.raw_pedicle import DIAMETER_MM, STEP_MM, RawBone, canal_beside, clearance_mm
from planning_core.anatomy.vertebra import Side, Vertebra
from planning_core.geometry.arrays import FloatArray

GRID_MM = 0.7
ACROSS_MM = (1.0, 32.0)
BEHIND_WALL_MM = (-6.0, 16.0)
HEIGHT_MM = (-16.0, 26.0)
GATE_BEHIND_MM = 4.0
CONVERGENCE = np.arange(-15.0, 46.0, 5.0)
SAGITTAL = np.arange(-35.0, 36.0, 5.0)
SAMPLES = np.arange(-16.0, 14.0, 0.7)
MOST_LINES = 1500
STARTS = 24
EXACT = 8
STEEPEST = 0.75
ROUNDS = 40
THIN_MM = 0.35


@attrs.frozen(eq=False)
class RawSamples:
    """Raw depth and raw "canal beside" around one pedicle, x counted from the midline towards its side.

    Args:
        depth, beside: (nk, nj, ni) on a grid of ``GRID_MM`` that begins at ``low``. half_canal_mm: half the canal's depth.
    """

    depth: FloatArray
    beside: FloatArray
    low: FloatArray
    half_canal_mm: float

    def at(self, values: FloatArray, points: FloatArray) -> FloatArray:
        """Linear between samples; the border's value beyond."""
        index = ((points - self.low) / GRID_MM)[..., ::-1].reshape(-1, 3).T
        return np.asarray(map_coordinates(values, index, order=1, mode="nearest").reshape(points.shape[:-1]))

    def clearance(self, states: FloatArray) -> FloatArray:
        """(n,) mm for lines (n, 4): x and z in the plane of the gates, slopes of x and z per mm backwards."""
        back = np.column_stack([states[:, 2], np.ones(len(states)), states[:, 3]])
        gate = np.column_stack(
            [states[:, 0], np.full(len(states), self.low[1] - BEHIND_WALL_MM[0] + GATE_BEHIND_MM), states[:, 1]]
        )
        points = gate[:, None] - SAMPLES[:, None] * back[:, None]
        beside = self.at(self.beside, points) > 0.5
        front = points[np.arange(len(points)), beside.shape[1] - 1 - beside[:, ::-1].argmax(axis=1), 1]
        behind = points[..., 1] - front[:, None]
        pedicle = (behind >= 0) & (behind <= self.half_canal_mm)
        depth = np.where(pedicle, self.at(self.depth, points), np.inf).min(axis=1)
        # a notch in the body's wall must not pass for the canal
        canal = (beside & pedicle).sum(axis=1) > 0.8 * pedicle.sum(axis=1)
        allowed = (np.abs(states[:, 2] - 0.3) < 0.7) & (np.abs(states[:, 3]) < STEEPEST) & canal
        return np.where(allowed, depth - DIAMETER_MM / 2, -np.inf)


def best_clearance(bone: RawBone, vertebra: Vertebra, side: Side) -> float:
    """Clearance of the best straight cannula of ``DIAMETER_MM`` through one pedicle, mm; minus infinity where there is none."""
    raw = _samples(bone, vertebra, side)
    x, z = np.arange(3.0, ACROSS_MM[1], 1.0), np.arange(*HEIGHT_MM, 1.0)
    fan = np.stack(np.meshgrid(np.tan(np.radians(CONVERGENCE)), np.tan(np.radians(SAGITTAL))), axis=-1).reshape(-1, 2)
    gates = np.stack(np.meshgrid(x, z), axis=-1).reshape(-1, 2)
    inside = raw.at(raw.depth, np.insert(gates, 1, raw.low[1] - BEHIND_WALL_MM[0] + GATE_BEHIND_MM, axis=1))
    gates = gates[np.argsort(-inside)[:80]]
    states = np.column_stack([np.repeat(gates, len(fan), axis=0), np.tile(fan, (len(gates), 1))])
    found = np.concatenate([raw.clearance(part) for part in np.array_split(states, 16)])
    order = np.argsort(-found)
    states = _refined(raw, states[order[:STARTS]])
    values = raw.clearance(states)
    sign = 1.0 if side is Side.LEFT else -1.0
    best = float("-inf")
    for state in states[np.argsort(-values)[:EXACT]]:
        steps = np.arange(SAMPLES[0], SAMPLES[-1], STEP_MM)[:, None] * np.array([state[2], 1.0, state[3]])
        gate = np.array([state[0], raw.low[1] - BEHIND_WALL_MM[0] + GATE_BEHIND_MM, state[1]])
        line = vertebra.ct_lps_from_vertebra.apply((gate - steps) * [sign, 1.0, 1.0])
        best = max(best, clearance_mm(bone, vertebra, side, line))
    return best


def _refined(raw: RawSamples, states: FloatArray) -> FloatArray:
    """Compass search from several lines at once."""
    moves = np.vstack([np.eye(4), -np.eye(4), [[a, 0, b, 0] for a in (-1, 1) for b in (-1, 1)]])
    moves = np.vstack([moves, [[0, a, 0, b] for a in (-1, 1) for b in (-1, 1)]]) * [1.0, 1.0, 0.08, 0.08]
    steps, values = np.ones(len(states)), raw.clearance(states)
    for _ in range(ROUNDS):
        trial = states[:, None] + steps[:, None, None] * moves
        found = raw.clearance(trial.reshape(-1, 4)).reshape(len(states), -1)
        row, choice = np.arange(len(states)), found.argmax(axis=1)
        better = found[row, choice] > values + 1e-6
        states = np.where(better[:, None], trial[row, choice], states)
        values = np.where(better, found[row, choice], values)
        steps = np.where(better, steps, steps / 2)
        if steps.max() < 0.05:
            break
    return np.asarray(states)


def _samples(bone: RawBone, vertebra: Vertebra, side: Side) -> RawSamples:
    sign = 1.0 if side is Side.LEFT else -1.0
    wall = float(vertebra.wall[0])
    spans = (ACROSS_MM, (wall + BEHIND_WALL_MM[0], wall + BEHIND_WALL_MM[1]), HEIGHT_MM)
    axes = [np.arange(low, high, GRID_MM) for low, high in spans]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    points = vertebra.ct_lps_from_vertebra.apply(np.stack([x, y, z], axis=-1) * [sign, 1.0, 1.0])
    # a tree of every third of a millimetre answers quickly, and is right to a twentieth where it is three millimetres away
    surface = bone.surface.data
    _, kept = np.unique(np.round(surface / THIN_MM).astype(int), axis=0, return_index=True)
    inside = bone.inside(points)
    depth = np.full(x.shape, -1.0)
    depth[inside] = cKDTree(surface[kept]).query(points[inside])[0]
    medial = vertebra.ct_lps_from_vertebra.rotation[:, 0] * -sign
    beside = np.zeros(x.shape)
    beside[inside] = canal_beside(bone, points[inside], medial)
    return RawSamples(depth, beside, np.array([a[0] for a in axes]), bone.canal_depth_mm(vertebra) / 2)
