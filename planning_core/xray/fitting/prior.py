"""What is known before the pictures: how a level's vertebra stands, how large it is, its modes, and where it was clicked."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from planning_core.anatomy.shape_model.model import ShapeInstance, ShapeModel
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.fitting.chain import Chain
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.geometry import PinholeView
from planning_core.xray.reconstruction import SCALE, SHIFT, WEIGHTS

PAIR = 2
"""Views of the trials that the confidence was made on."""
FREE = 1e-6
"""Precision per mm² of what nothing is known about: keeps sums solvable."""


@attrs.frozen(eq=False)
class Isthmuses:
    """Where a model has the narrowest part of its left and its right pedicle: linear in weights and collapse.

    Args:
        mean: (2, 3) mm in the vertebra's frame at scale 1.
        slopes: (k + 3, 2, 3) mm per standard deviation of each mode, then per unit of each kind of collapse.
    """

    mean: FloatArray
    slopes: FloatArray

    @classmethod
    def of(cls, model: ShapeModel) -> Isthmuses:
        """A model's."""
        ends = model.pedicles.of(np.concatenate([model.mean[None], model.jacobian()]))
        halfway = (ends[:, 0::2] + ends[:, 1::2]) / 2
        return cls(halfway[0], halfway[1:])

    def places(self, shape: ShapeInstance, about: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(2, 3) in the pose's frame, and (k + 10, 2, 3) mm by which they move per unit of each parameter of ``moved``.

        Args:
            about: (3,) the body's middle there, about which ``moved`` turns.
        """
        own = shape.scale * (self.mean + np.tensordot(np.concatenate([shape.weights, shape.fracture]), self.slopes, axes=1))
        there = shape.pose.apply(own)
        turns = np.stack([np.cross(axis, there - about) for axis in np.eye(3)])
        shifts = np.broadcast_to(np.eye(3)[:, None, :], turns.shape)
        linear = np.concatenate([own[None], shape.scale * self.slopes])
        return there, np.concatenate([turns, shifts, shape.pose.rotate(linear)])


@attrs.frozen(eq=False)
class Prior:
    """Gaussian knowledge of a chain's parameters.

    Args:
        rotation: (3, 3) usual, views' frame. views, clicks: what was clicked, (1 or 3, 2) each as in ``Clicks``; none where
            nothing was. isthmuses: of the chain's model.
    """

    rotation: FloatArray
    views: tuple[PinholeView, ...]
    clicks: tuple[FloatArray, ...]
    isthmuses: Isthmuses
    config: FitConfig

    def cost(self, chain: Chain) -> float:
        """Half the sum of squared deviations in sigmas."""
        rows, _ = self._rows(chain)
        return float(rows @ rows) / 2

    def deviation(self, chain: Chain) -> float:
        """The same with the clicks' part as it would be in two views: what a confidence made on pairs knows."""
        alone = attrs.evolve(self, views=(), clicks=()).cost(chain)
        return alone + (self.cost(chain) - alone) * PAIR / max(len(self.views), PAIR)

    def step(self, chain: Chain) -> tuple[FloatArray, FloatArray]:
        """(p, p) precision and (p,) pull towards what is usual."""
        rows, slopes = self._rows(chain)
        return slopes.T @ slopes + FREE * np.eye(chain.count), -slopes.T @ rows

    def _rows(self, chain: Chain) -> tuple[FloatArray, FloatArray]:
        config, shape = self.config, chain.shape
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
        points = self._pointed_at(chain)
        shown = [
            (v, click, p)
            for v, of_view in zip(self.views, self.clicks, strict=True)
            for click, p in zip(of_view, points, strict=True)
        ]
        for view, click, (place, by, sigma_mm, limit) in shown:
            by_mm = view.project_slope(place)
            unit = float(np.linalg.norm(by_mm)) / np.sqrt(2) * sigma_mm
            off, one = (view.project(place) - click) / unit, np.zeros((2, chain.count))
            pull, slope = _believed(float(np.linalg.norm(off)), limit)
            rows.append(pull * off)
            one[:, : chain.own] = slope / unit * by_mm @ by
            all_slopes.append(one)
        return np.concatenate(rows), np.vstack(all_slopes)

    def _pointed_at(self, chain: Chain) -> list[tuple[FloatArray, FloatArray, float, float]]:
        """What is clicked in every view, in ``Clicks``' order: (3,) where the chain has it, (3, own) how it moves there, a
        click's sigma in mm, and from how many of them on a click is believed less."""
        if not self.clicks:
            return []
        config, middle, with_it = self.config, chain.middle, np.zeros((3, chain.own))
        with_it[:, SHIFT] = np.eye(3)
        if len(self.clicks[0]) == 1:
            return [(middle, with_it, config.click_sigma_mm, np.inf)]
        there, by = self.isthmuses.places(chain.shape, middle)
        pedicles = [(there[side], by[:, side].T, config.pedicle_sigma_mm, config.click_outlier) for side in (0, 1)]
        return [(middle, with_it, config.careful_sigma_mm, np.inf), *pedicles]


def _believed(sigmas: float, limit: float) -> tuple[float, float]:
    """What a residual of so many sigmas and its slope are multiplied with, so that half its square is Cauchy's cost.

    A click that is nowhere near what the pictures show loses its pull: it is told of by the cross-check.
    """
    if not np.isfinite(limit) or sigmas < 1e-9:
        return 1.0, 1.0
    rest = limit * float(np.sqrt(np.log1p((sigmas / limit) ** 2)))
    return rest / sigmas, sigmas / (1 + (sigmas / limit) ** 2) / rest


def prior_of(chain: Chain, views: Sequence[PinholeView], clicks: Sequence[FloatArray], config: FitConfig) -> Prior:
    """The prior of a chain that stands as is usual."""
    return Prior(chain.shape.pose.rotation, tuple(views), tuple(clicks), Isthmuses.of(chain.shape.model), config)
