"""A vertebra's pose, size, shape and collapse from two or more X-ray images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.anatomy.shape_model.model import ShapeModel
from planning_core.anatomy.shape_model.store import load_shape_model
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.atlas.atlas import BoneAtlas, load_bone_atlas
from planning_core.xray.clicks import Clicks
from planning_core.xray.fitting.chain import Chain, chain_of
from planning_core.xray.fitting.climb import Summit, climb
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.prior import Prior, prior_of
from planning_core.xray.fitting.starts import placed, shifted, turned, turns
from planning_core.xray.fitting.window import Window, window_about
from planning_core.xray.image import XrayImage
from planning_core.xray.pair import check_views, meeting_point
from planning_core.xray.refusals import XrayError


class ReconstructionError(XrayError):
    """No vertebra can be rebuilt from these images. Carries ``views`` that show nothing of it."""

    code = "reconstruction"


class Fitting:
    """One vertebra, its images and what is asked of them."""

    def __init__(self, images: Sequence[XrayImage], usual: Chain, prior: Prior, config: FitConfig) -> None:
        self.images, self.usual, self.prior, self.config = images, usual, prior, config

    def windows(self, chain: Chain, number: int) -> list[Window]:
        config = self.config
        points = chain.shape.vertices
        found = [window_about(i, points, config.levels_mm[number], config.margin_mm, config.blur_px) for i in self.images]
        missing = [n for n, w in enumerate(found) if w is None]
        if missing:
            raise ReconstructionError(f"views {missing} do not show the vertebra where it is thought to be", views=missing)
        return [w for w in found if w is not None]

    def best(self, middle: FloatArray) -> list[Summit]:
        """Summits found from a place (3,), best first."""
        config = self.config
        start = placed(self.usual, middle)
        windows = self.windows(start, 0)
        rigid = start.opened(0, False)
        found = []
        for turn in turns(config.turns_deg):
            chain = shifted(turned(start, turn), windows, config.search_mm)
            found.append(climb(chain, windows, self.prior, rigid, config.brief, config))
        found.sort(key=lambda s: -s.score)
        k = start.shape.model.mode_count
        followed = []
        for summit in found[: config.kept]:
            some = climb(summit.chain, windows, self.prior, start.opened(min(6, k), False), config.steps, config)
            fine = self.windows(some.chain, 1)
            followed.append(climb(some.chain, fine, self.prior, start.opened(k, True), config.steps, config))
        followed.sort(key=lambda s: -s.score)
        return followed
