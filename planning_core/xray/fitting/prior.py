"""What is known before the pictures: how a level's vertebra stands, how large it is, its modes, and where it was clicked."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from planning_core.geometry.arrays import FloatArray
from planning_core.xray.fitting.chain import Chain
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.geometry import PinholeView
from planning_core.xray.reconstruction import SCALE, SHIFT, WEIGHTS

FREE = 1e-6
"""Precision per mm² of what nothing is known about: keeps sums solvable."""


@attrs.frozen(eq=False)
class Prior:
    """Gaussian knowledge of a chain's parameters.

    Args:
        rotation: (3, 3) usual, views' frame. views, clicks: where the middle of the body was clicked, (2,) each; none where it
            was not.
    """

    rotation: FloatArray
    views: tuple[PinholeView, ...]
    clicks: tuple[FloatArray, ...]
    config: FitConfig

    def cost(self, chain: Chain) -> float:
        """Half the sum of squared deviations in sigmas."""
        rows, _ = self._rows(chain)
        return float(rows @ rows) / 2

    def step(self, chain: Chain) -> tuple[FloatArray, FloatArray]:
        """(p, p) precision and (p,) pull towards what is usual."""
        rows, slopes = self._rows(chain)
        return slopes.T @ slopes + FREE * np.eye(chain.count), -slopes.T @ rows

    def _rows(self, chain: Chain) -> tuple[FloatArray, FloatArray]:
        config, shape, _own = self.config, chain.shape, chain.own
        turn = Rotation.from_matrix(shape.pose.rotation @ self.rotation.T).as_rotvec()
        sigma = np.concatenate(
            [
                np.full(3, np.radians(config.turn_sigma_deg)),
                [shape.model.log_scale_sigma],
                np.ones(shape.model.mode_count),
                np.full(3, config.fracture_sigma),
                np.tile(np.repeat([np.radians(config.neighbour_turn_deg), config.neighbour_shift_mm], 3), len(chain.neighbours)),
            ]
        )
        values = np.concatenate(
            [
                turn,
                [np.log(shape.scale / chain.usual_scale)],
                shape.weights - chain.usual_weights,
                shape.fracture,
                *(n.move for n in chain.neighbours),
            ]
        )
        where = np.concatenate([np.arange(3), [SCALE], np.arange(WEIGHTS, chain.count)])
        slopes = np.zeros((len(sigma), chain.count))
        slopes[np.arange(len(sigma)), where] = 1 / sigma
        rows, all_slopes = [values / sigma], [slopes]
        middle = chain.middle
        for view, click in zip(self.views, self.clicks, strict=True):
            by_mm = view.project_slope(middle)
            px_per_mm = float(np.linalg.norm(by_mm)) / np.sqrt(2)
            rows.append((view.project(middle) - click) / px_per_mm / config.click_sigma_mm)
            one = np.zeros((2, chain.count))
            one[:, SHIFT] = by_mm / px_per_mm / config.click_sigma_mm
            all_slopes.append(one)
        return np.concatenate(rows), np.vstack(all_slopes)


def prior_of(chain: Chain, views: Sequence[PinholeView], clicks: Sequence[FloatArray], config: FitConfig) -> Prior:
    """The prior of a chain that stands as is usual."""
    return Prior(chain.shape.pose.rotation, tuple(views), tuple(clicks), config)
