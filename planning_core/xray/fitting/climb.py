"""To the nearest summit of the posterior: steps by Levenberg and Marquardt, collapse never negative."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from planning_core.geometry.arrays import Float32Array, FloatArray
from planning_core.xray.fitting.chain import Chain
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.likeness import cosine, picture, robust, view_step
from planning_core.xray.fitting.prior import Prior
from planning_core.xray.fitting.window import EVERY, Window
from planning_core.xray.reconstruction import SHIFT, TURN, WEIGHTS

DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-5, 1e4
ARM_MM = 25.0
"""A turn moves a vertebra's outer parts by so much per radian."""
FARTHEST_MM = 6.0
SETTLED = 0.004
"""Gain of the logarithm of the posterior below which it is done."""
LOOK_AGAIN = 5
"""Steps after which pixels are weighted anew."""
LEAST_REST = 0.02
"""Of 1 - likeness²: a perfect picture would be believed beyond measure."""


@attrs.frozen(eq=False)
class Summit:
    """Where a climb ended: the chain, the logarithm of its posterior, and each view's likeness."""

    chain: Chain
    score: float
    likeness: tuple[float, ...]


def observations(window: Window, free: float, config: FitConfig) -> float:
    """How many independent numbers the weighted pixels of a window are."""
    return 2 * free * (EVERY * window.pixel_mm / config.cell_mm) ** 2


def climb(
    chain: Chain,
    windows: Sequence[Window],
    prior: Prior,
    active: np.ndarray,
    steps: int,
    config: FitConfig,
) -> Summit:
    """Move the active parameters (p,) bool of a chain to the nearest summit."""
    damping = DAMPING
    weights = [robust(w, chain, config.outlier) for w in windows]
    score, likeness = scored(chain, windows, weights, prior, config)
    for number in range(steps):
        if number and number % LOOK_AGAIN == 0:
            weights = [robust(w, chain, config.outlier) for w in windows]
            score, likeness = scored(chain, windows, weights, prior, config)
        normal, pull = posterior_step(chain, windows, weights, prior, active, config)
        better = None
        while better is None and damping < MOST_DAMPING:
            step = _solved(normal, pull, damping, chain, active)
            tried = chain.moved(step)
            then, likes = scored(tried, windows, weights, prior, config)
            if then > score:
                better = then - score
                chain, score, likeness, damping = tried, then, likes, max(damping / 5, LEAST_DAMPING)
            else:
                damping *= 6
        if better is None or (better < SETTLED and number % LOOK_AGAIN):
            break
    return Summit(chain, score, likeness)


def scored(
    chain: Chain, windows: Sequence[Window], weights: Sequence[Float32Array], prior: Prior, config: FitConfig
) -> tuple[float, tuple[float, ...]]:
    """The logarithm of the posterior, and each view's likeness."""
    parts = chain.drawn()
    likeness = tuple(cosine(w, picture(w, parts), weight) for w, weight in zip(windows, weights, strict=True))
    total = -prior.cost(chain)
    for window, weight, c in zip(windows, weights, likeness, strict=True):
        rest = max(1 - max(c, 0.0) ** 2, LEAST_REST)
        total -= observations(window, float(weight.sum()), config) / 2 * np.log(rest)
    return total, likeness


def posterior_step(
    chain: Chain,
    windows: Sequence[Window],
    weights: Sequence[Float32Array],
    prior: Prior,
    active: np.ndarray,
    config: FitConfig,
) -> tuple[FloatArray, FloatArray]:
    """(q, q) precision and (q,) pull of the active parameters."""
    normal, pull = prior.step(chain)
    normal, pull = normal[np.ix_(active, active)], pull[active]
    for window, weight in zip(windows, weights, strict=True):
        one = view_step(window, chain, active, weight)
        if one.likeness <= 0:
            continue
        trust = observations(window, one.free, config) / max(1 - one.likeness**2, LEAST_REST)
        normal += trust * one.normal
        pull += trust * one.pull
    return normal, pull


def _solved(normal: FloatArray, pull: FloatArray, damping: float, chain: Chain, active: np.ndarray) -> FloatArray:
    """(p,) a step of all parameters that takes no share of height below 0."""
    numbers = np.flatnonzero(active)
    first = WEIGHTS + chain.shape.model.mode_count
    now = np.full(chain.count, np.inf)
    now[first : first + 3] = chain.shape.fracture
    system = normal + damping * np.diag(np.diag(normal))
    free = np.ones(len(numbers), bool)
    x = np.zeros(len(numbers))
    for _ in range(4):
        x[~free] = -now[numbers[~free]]
        x[free] = np.linalg.solve(system[np.ix_(free, free)], pull[free] - system[np.ix_(free, ~free)] @ x[~free])
        under = free & (x < -now[numbers] - 1e-12)
        if not under.any():
            break
        free &= ~under
    step = np.zeros(chain.count)
    step[numbers] = x
    far = float(np.hypot(ARM_MM * np.linalg.norm(step[TURN]), np.linalg.norm(step[SHIFT])))
    return step * min(1.0, FARTHEST_MM / max(far, 1e-9))
