"""Global search over gates in the pedicle and tips in the body, then compass search around the best few.

The lattice covers every line that can pass a pedicle; compass search (Kolda, Lewis and Torczon 2003, generating set search)
refines without derivatives. No random numbers: the same fields give the same path.
"""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.corridor import Corridor
from planning_core.trajectory.cost import Task, beside_cost, path_cost, pedicle_cost
from planning_core.trajectory.measures import Lines, measure_path, measure_pedicle

TIP_STEP_MM = 3.0
MOST_GATES = 60
MOST_LINES = 600
STARTS = 6
FIRST_STEP_MM = 1.2
LAST_STEP_MM = 0.05
MOST_ROUNDS = 40
PRUNE_AFTER = 8
KEPT = 2


@attrs.frozen(eq=False)
class Found:
    """Lines that a search ended at, the cheapest first, and their costs (n,)."""

    lines: Lines
    cost: FloatArray


def search(task: Task) -> Found | None:
    """The cheapest straight paths of one kind on one side; ``None`` where the lattice is empty."""
    gates, tips = gate_lattice(task), tip_lattice(task)
    if not len(gates) or not len(tips):
        return None
    lines = Lines(np.repeat(gates, len(tips), axis=0), np.tile(tips, (len(gates), 1)))
    rough = pedicle_cost(task, lines, measure_pedicle(task.corridor, lines))
    best = np.argsort(rough, kind="stable")[:MOST_LINES]
    lines = lines.take(best)
    cost = rough[best] + path_cost(task, measure_path(task.corridor, lines, task.config.pathway_mm, closed=task.guarded))
    return refine(task, lines.take(_apart(lines, cost)))


def total_cost(task: Task, lines: Lines) -> FloatArray:
    """(n,) cost of lines."""
    near = pedicle_cost(task, lines, measure_pedicle(task.corridor, lines))
    return np.asarray(near + path_cost(task, measure_path(task.corridor, lines, task.config.pathway_mm, closed=task.guarded)))


def gate_lattice(task: Task) -> FloatArray:
    """(n, 3) points half way along the pedicle, deepest in bone first; along its lateral wall for an extrapedicular path."""
    points = task.corridor.gates()
    depth = task.corridor.depth(points)
    if not (depth > 0).any():
        return points[:0]
    if task.guarded:
        order = np.argsort(-depth, kind="stable")[:MOST_GATES]
        return points[order[depth[order] > 0]]
    return points[beside_cost(task, points, depth) == 0]


def tip_lattice(task: Task) -> FloatArray:
    """(n, 3) places in the front half of the body with room for the cannula, around the aim."""
    corridor, config = task.corridor, task.config
    low, high = task.lateral_mm
    x = _around(task.aim[0], low, high)
    front = corridor.front(task.aim[0])
    y = _around(task.aim[1], front + config.least_anterior_mm, (front + corridor.back_mm) / 2)
    z = _around(task.aim[2], task.aim[2] - 12, task.aim[2] + 12)
    points = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
    room = np.minimum(corridor.depth(points), corridor.endplate_distance(points)) - task.radius_mm
    return points[room >= config.least_endplate_mm]


def refine(task: Task, starts: Lines) -> Found:
    """Compass search from several starts at once over gate (x, z) and tip (x, y, z), also moved and turned together."""
    moves = _moves()
    states = np.column_stack([starts.gate[:, [0, 2]], starts.tip])
    costs = total_cost(task, starts)
    steps = np.full(len(states), FIRST_STEP_MM)
    for turn in range(MOST_ROUNDS):
        going = steps >= LAST_STEP_MM
        if turn >= PRUNE_AFTER:  # by then the order of the hollows is clear
            going &= costs <= np.sort(costs)[min(KEPT, len(costs)) - 1]
        if not going.any():
            break
        trial = states[going, None, :] + steps[going, None, None] * moves
        cost = total_cost(task, _lines(task.corridor, trial.reshape(-1, 5))).reshape(len(trial), -1)
        choice = cost.argmin(axis=1)
        row = np.arange(len(trial))
        better = cost[row, choice] < costs[going] - 1e-9
        states[going] = np.where(better[:, None], trial[row, choice], states[going])
        costs[going] = np.where(better, cost[row, choice], costs[going])
        steps[going] = np.where(better, steps[going], steps[going] / 2)
    order = np.argsort(costs, kind="stable")
    return Found(_lines(task.corridor, states[order]), costs[order])


def _lines(corridor: Corridor, states: FloatArray) -> Lines:
    return Lines(corridor.on_gate_plane(states[:, :2]), states[:, 2:])


def _moves() -> FloatArray:
    """(22, 5) directions: each coordinate alone, gate and tip together, gate and tip against each other."""
    single = np.vstack([np.eye(5), -np.eye(5)])
    coupled = [[a, 0, b, 0, 0] for a in (-0.5, 0.5) for b in (-1, 1)] + [[0, a, 0, 0, b] for a in (-0.5, 0.5) for b in (-1, 1)]
    diagonal = [[a, b, 0, 0, 0] for a in (-0.7, 0.7) for b in (-0.7, 0.7)]
    return np.vstack([single, coupled, diagonal])


def _around(middle: float, low: float, high: float) -> FloatArray:
    """Steps away from a middle in both directions, inside a range."""
    n = int(np.ceil((high - low) / TIP_STEP_MM)) + 1
    values = middle + TIP_STEP_MM * np.arange(-n, n + 1)
    return np.asarray(values[(values >= low - 1e-9) & (values <= high + 1e-9)])


def _apart(lines: Lines, cost: FloatArray) -> np.ndarray:
    """The cheapest lines whose gates or tips differ, so that starts do not all lie in one hollow."""
    chosen: list[int] = []
    for n in np.argsort(cost, kind="stable"):
        near = [
            np.abs(lines.gate[n] - lines.gate[c]).max() < 1.5 and np.abs(lines.tip[n] - lines.tip[c]).max() < 3.5 for c in chosen
        ]
        if not any(near):
            chosen.append(int(n))
        if len(chosen) == STARTS:
            break
    return np.array(chosen)
