"""How far from where a rebuilt vertebra has its pedicles they may truly stand.

The modes do not hold every shape: a pedicle's narrowest part lies about a millimetre from where the fit leaves it, as far as a
click on it is off. The two are weighed against each other (Kalman 1960), and what remains open goes to the search for paths as
sigma points (Julier and Uhlmann 1997): of lines that the model finds alike, the one in the middle of what is possible is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.vertebra import Side, Vertebra
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.reconstruction import XrayReconstruction, vertex_slopes
from planning_core.xray.triangulation import MetPoint, PicturePoint

BELIEVED_SIGMAS = 3.5
"""A click further from the model's pedicle than so many sigmas of both is not taken for one on it."""
CLICKED = {Side.LEFT: PicturePoint.PEDICLE_LEFT, Side.RIGHT: PicturePoint.PEDICLE_RIGHT}


def pedicle_offsets(
    found: XrayReconstruction, vertebra: Vertebra, clicked: Mapping[PicturePoint, MetPoint]
) -> dict[Side, FloatArray]:
    """(4, 3) mm by side, in the vertebra's frame: sigma points across a pedicle's axis, about where clicks and model have it.

    Along the axis nothing is moved: where along its way a pedicle is narrowest matters to no line through it, and neither a
    click nor a wide pedicle says it.

    Args:
        vertebra: ``found`` as the planner sees it; a side without a pedicle that can be measured is left out.
        clicked: met from the pictures, views' frame; where a pedicle was not clicked, the model is alone.
    """
    sure, offsets = _covariances(found), {}
    for side, pedicle in measure_pedicles(vertebra).items():
        across = np.linalg.svd(pedicle.axis_lps[None])[2][1:]
        mean, covariance = np.zeros(2), across @ sure[side] @ across.T
        if (at := clicked.get(CLICKED[side])) is not None:
            apart = across @ (at.point_mm - pedicle.centre_lps_mm)
            mean, covariance = weighed(apart, covariance, across @ at.covariance_mm2 @ across.T)
        size, ways = np.linalg.eigh(covariance)
        root = (ways * np.sqrt(2 * np.maximum(size, 0.0))).T
        offsets[side] = (mean + np.concatenate([root, -root])) @ across @ found.shape.pose.rotation
    return offsets


def weighed(apart_mm: FloatArray, model_mm2: FloatArray, click_mm2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(n,) mean and (n, n) covariance of a place about the model's, with a click that lies (n,) apart from it."""
    both = model_mm2 + click_mm2
    if apart_mm @ np.linalg.solve(both, apart_mm) > BELIEVED_SIGMAS**2:
        return np.zeros(len(apart_mm)), model_mm2
    gain = np.linalg.solve(both, model_mm2).T
    left = model_mm2 - gain @ model_mm2
    return gain @ apart_mm, (left + left.T) / 2


def _covariances(found: XrayReconstruction) -> dict[Side, FloatArray]:
    """(3, 3) mm² by side: of a pedicle's middle in the views' frame, what the modes leave of real shapes on top."""
    shape = found.shape
    by = shape.model.pedicles.of(vertex_slopes(shape))
    rest = (shape.scale * shape.model.rest_mm) ** 2 / 3 * np.eye(3)
    middles = {Side.LEFT: by[:, :2].mean(axis=1), Side.RIGHT: by[:, 2:].mean(axis=1)}
    return {side: slopes.T @ found.covariance @ slopes + rest for side, slopes in middles.items()}
