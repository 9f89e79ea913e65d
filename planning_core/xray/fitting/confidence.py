"""How probable it is that a fit is good, by what can be seen of it without the truth.

A logistic regression on trials with patients who had no part in the models (``benchmarks/xray.py --calibrate``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray

FILE = "confidence.json"
GOOD_DICE, GOOD_HD95_MM = 0.77, 7.0
"""What a good model is: both."""
NAMES = ("likeness", "significance", "least_significance", "disagreement_mm", "surface_sd_mm", "log_score", "deviation")


@attrs.frozen
class Signs:
    """What speaks for or against a fit.

    Args:
        likeness: mean of the views. significance, least_significance: mean and least of the views. disagreement_mm: of other
            starts that end nearly as high. surface_sd_mm: root mean square of the surface's standard deviation.
        log_score: logarithm of 1 + the posterior's gain over no vertebra. deviation: half the squared sigmas from what is usual;
            of more than two views both as two of them would have it.
    """

    likeness: float
    significance: float
    least_significance: float
    disagreement_mm: float
    surface_sd_mm: float
    log_score: float
    deviation: float

    def values(self) -> FloatArray:
        """(7,) in ``NAMES``' order, long tails drawn in."""
        raw = np.array([getattr(self, name) for name in NAMES])
        raw[3] = np.log1p(raw[3])
        raw[6] = np.sqrt(max(raw[6], 0.0))
        return raw


@attrs.frozen(eq=False)
class Calibration:
    """Weights of signs: probability = 1 / (1 + exp(-(offset + weights (values - centre) / spread)))."""

    centre: FloatArray
    spread: FloatArray
    weights: FloatArray
    offset: float
    threshold: float

    def probability(self, signs: Signs) -> float:
        """0 to 1: that the fit is good."""
        return self.probability_of(signs.values())

    def probability_of(self, values: FloatArray) -> float:
        """The same of ``Signs.values`` (7,)."""
        z = self.offset + float(self.weights @ ((values - self.centre) / self.spread))
        return float(1 / (1 + np.exp(-np.clip(z, -30, 30))))

    @classmethod
    def fitted(cls, values: FloatArray, good: np.ndarray, ridge: float = 2.0) -> Calibration:
        """Logistic regression with a ridge, by Newton's steps.

        Args:
            values: (t, 7) of ``Signs.values``. good: (t,) bool.

        The threshold is the lowest that leaves a twentieth of the bad ones unflagged.
        """
        centre, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
        design = np.column_stack([np.ones(len(values)), (values - centre) / spread])
        penalty = np.diag([1e-3] + [ridge] * values.shape[1])
        beta = np.zeros(design.shape[1])
        for _ in range(50):
            p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
            slope = design.T @ (good - p) - penalty @ beta
            beta = beta + np.linalg.solve(design.T @ ((p * (1 - p))[:, None] * design) + penalty, slope)
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        bad = p[~good.astype(bool)]
        threshold = float(np.clip(np.percentile(bad, 95) if bad.size else 0.5, 0.5, 0.95))
        return cls(centre, spread, beta[1:], float(beta[0]), threshold)

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Calibration:
        """From what ``table`` gives."""
        centre, spread, weights = (np.array(table[key], float) for key in ("centre", "spread", "weights"))
        return cls(centre, spread, weights, float(table["offset"]), float(table["threshold"]))

    def table(self) -> dict[str, Any]:
        """JSON-able."""
        return {key: np.round(value, 5).tolist() for key, value in attrs.asdict(self).items()}


def shipped(points: int = 1) -> Calibration:
    """The calibration that comes with the package.

    Args:
        points: clicked in each view, 1 or 3: what the pictures are like where a fit is good hangs on what held it.
    """
    return Calibration.of_table(json.loads(files(__package__).joinpath(FILE).read_text())[str(points)])


def with_calibration(text: str, points: int, calibration: Calibration) -> str:
    """The file's text with the calibration for so many points in place of what stood there."""
    given = json.loads(text)
    kept = {key: value for key, value in given.items() if key not in ("signs", str(points))}
    return json.dumps({"signs": NAMES, **dict(sorted({**kept, str(points): calibration.table()}.items()))}, indent=1) + "\n"
