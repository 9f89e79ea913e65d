"""A vertebra's pose, size, shape and collapse from two or more X-ray images.

An atlas of attenuation is carried by the shape model and drawn as points over the pictures; from turns about the usual stand, the
vertebra with its neighbours is shifted onto the pictures and climbs to the summit of the posterior, coarse to fine, rigid first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.anatomy.shape_model.store import load_shape_model
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.atlas.atlas import load_bone_atlas
from planning_core.xray.clicks import Clicks
from planning_core.xray.fitting.chain import Chain, chain_of
from planning_core.xray.fitting.climb import Summit, climb
from planning_core.xray.fitting.confidence import Calibration, Signs, shipped
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.judge import disagreement_mm, next_view, precision, significance
from planning_core.xray.fitting.likeness import robust
from planning_core.xray.fitting.prior import prior_of
from planning_core.xray.fitting.starts import placed, shifted, turned, turns
from planning_core.xray.fitting.window import Window, window_about
from planning_core.xray.image import XrayImage
from planning_core.xray.pair import check_views, meeting_point
from planning_core.xray.reconstruction import XrayReconstruction, body_middle
from planning_core.xray.refusals import XrayError

NEARLY = 3.0
"""Summits whose posteriors' logarithms differ by less are both possible."""


class ReconstructionError(XrayError):
    """No vertebra can be rebuilt from these images. Carries ``views`` that show nothing of it."""

    code = "reconstruction"


def reconstruct(
    images: Sequence[XrayImage],
    level: VertebraLevel,
    clicks: Clicks | None = None,
    config: FitConfig | None = None,
    *,
    usual: Chain | None = None,
    calibration: Calibration | None = None,
) -> XrayReconstruction:
    """Rebuild one vertebra.

    Which vertebra it is must be shown by somebody: neighbours look alike. Without clicks the best place about the views' common
    middle is taken, and the result says that its level is not known.

    Args:
        images: two or more, their views all in one frame whose axes are about the patient's L, P, S.
        clicks: the middle of the body in each picture, or three points. usual, calibration: in place of the shipped models
            (``usual_chain``), for measuring on patients that those know.

    Raises:
        TooFewViewsError, FrameMismatchError, EqualViewsError, MirroredViewError: see ``check_views``.
        InvalidClicksError: clicks do not fit the images. ReconstructionError: a view does not show the vertebra.
    """
    config = config or FitConfig()
    views = [image.view for image in images]
    angle = check_views(views)
    usual = usual or usual_chain(level, views[0].frame)
    if clicks is not None:
        clicks.check(views)
    start, shown = _start(usual, views, clicks)
    prior = prior_of(usual, views if clicks else (), [p[0] for p in clicks.pixels] if clicks else (), config)
    fitting = _Fitting(images, config)
    summits = fitting.summits(start, prior, 0.0 if shown else config.blind_mm)
    best = summits[0].chain
    windows = fitting.windows(best, -1)
    weights = [robust(w, best, config.outlier) for w in windows]
    known = precision(best, windows, weights, prior, config)
    covariance = np.linalg.inv(known)[: best.own, : best.own]
    likeness, beyond = significance(best, windows)
    found = XrayReconstruction(level, best.shape, (covariance + covariance.T) / 2, likeness, beyond, 0.0)
    signs = signs_of(found, summits, prior.cost(best))
    calibration = calibration or shipped()
    sure = calibration.probability(signs)
    doubts = list(_doubts(found, signs, sure, calibration.threshold, config))
    if clicks is None:
        doubts.insert(0, f"nobody showed which vertebra {level.value} is, and its neighbours look alike")
    further = next_view(best, known, windows, likeness, config) if doubts or angle < config.wide_deg else None
    return XrayReconstruction(level, best.shape, found.covariance, likeness, beyond, round(sure, 4), tuple(doubts), further)


def usual_chain(level: VertebraLevel, frame: str) -> Chain:
    """The shipped models' usual vertebra of a level with its neighbours."""
    models = {v: load_shape_model(v) for v in USUAL_LEVELS}
    return chain_of(load_shape_model(level), level, load_bone_atlas(), models, frame)


def signs_of(found: XrayReconstruction, summits: Sequence[Summit], deviation: float) -> Signs:
    """What can be seen of a fit without the truth."""
    return Signs(
        likeness=float(np.mean(found.likeness)),
        significance=float(np.mean(found.significance)),
        least_significance=float(np.min(found.significance)),
        disagreement_mm=disagreement_mm(summits, NEARLY),
        surface_sd_mm=float(np.sqrt((found.surface_sd_mm**2).mean())),
        log_score=float(np.log1p(max(summits[0].score, 0.0))),
        deviation=deviation,
    )


def _doubts(found: XrayReconstruction, signs: Signs, sure: float, threshold: float, config: FitConfig) -> list[str]:
    doubts = []
    if sure < threshold:
        doubts.append(f"the model is good with a probability of {sure:.0%} only, {threshold:.0%} is needed")
    if signs.least_significance < config.least_significance:
        doubts.append(
            f"view {int(np.argmin(found.significance))} is like the bone by {signs.least_significance:.1f} sigmas of chance only, "
            f"{config.least_significance} are needed"
        )
    if signs.disagreement_mm > config.most_disagreement_mm:
        doubts.append(
            f"another pose fits nearly as well, {signs.disagreement_mm:.1f} mm away, {config.most_disagreement_mm} mm is allowed"
        )
    extreme = float(np.abs(found.shape.weights).max(initial=0.0))
    if extreme > config.most_weight:
        doubts.append(f"a shape {extreme:.1f} standard deviations from the usual, {config.most_weight} are allowed")
    return doubts


def _start(usual: Chain, views: Sequence, clicks: Clicks | None) -> tuple[Chain, bool]:  # type: ignore[type-arg]
    """The usual vertebra put where it was clicked, or between the views; whether it was clicked."""
    if clicks is None:
        return placed(usual, meeting_point(views)), False
    points = np.array([meeting_point(views, [p[n] for p in clicks.pixels]) for n in range(len(clicks.pixels[0]))])
    if len(points) == 1:
        return placed(usual, points[0]), True
    shape = usual.shape
    ends = shape.model.pedicles.of(shape.shape)
    own = np.array([body_middle(shape.model, shape.shape), ends[:2].mean(axis=0), ends[2:].mean(axis=0)])
    u, _, vt = np.linalg.svd((own - own.mean(axis=0)).T @ (points - points.mean(axis=0)))
    rotation = (u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt).T
    shift = points.mean(axis=0) - rotation @ own.mean(axis=0)
    return usual.at(RigidTransform.from_parts(shape.pose.dst, shape.pose.src, rotation, shift)), True


class _Fitting:
    """Images and how they are looked at."""

    def __init__(self, images: Sequence[XrayImage], config: FitConfig) -> None:
        self.images, self.config = images, config

    def windows(self, chain: Chain, number: int) -> list[Window]:
        """Each image about a chain at one of the levels.

        Raises:
            ReconstructionError: an image shows nothing of it.
        """
        config = self.config
        points, pixel = chain.shape.vertices, config.levels_mm[number]
        found = [window_about(i, points, pixel, config.margin_mm, config.blur_px, config.calm_mm) for i in self.images]
        missing = [n for n, w in enumerate(found) if w is None]
        if missing:
            raise ReconstructionError(f"views {missing} do not show the vertebra where it is thought to be", views=missing)
        return [w for w in found if w is not None]

    def summits(self, start: Chain, prior, blind_mm: float) -> list[Summit]:  # type: ignore[no-untyped-def]
        """Summits found from a start, best first; up to ``blind_mm`` along the spine from it."""
        config, k = self.config, start.shape.model.mode_count
        found = []
        for way in np.arange(-blind_mm, blind_mm + 1, config.search_mm) if blind_mm else [0.0]:
            here = placed(start, start.middle + way * start.shape.pose.rotation[:, 2])
            try:
                windows = self.windows(here, 0)
            except ReconstructionError:
                if blind_mm and abs(way) > config.search_mm:
                    continue
                raise
            rigid = here.opened(0, False, neighbours=False)
            tried = [turned(here, turn) for turn in turns(config.turns_deg)]
            for chain in (here, *(shifted(t, windows, config.search_mm) for t in tried)):
                found.append(climb(chain, windows, prior, rigid, config.brief, config))
        found.sort(key=lambda s: -s.score)
        followed = [self._followed(s.chain, prior, k) for s in _distinct(found, config.apart_mm)[: config.kept]]
        followed.sort(key=lambda s: -s.score)
        return followed

    def _followed(self, chain: Chain, prior, modes: int) -> Summit:  # type: ignore[no-untyped-def]
        config = self.config
        some = climb(chain, self.windows(chain, 0), prior, chain.opened(min(config.first_modes, modes), False), config.steps, config)
        return climb(some.chain, self.windows(some.chain, -1), prior, chain.opened(modes, True), config.steps, config)


def _distinct(ranked: Sequence[Summit], apart_mm: float) -> list[Summit]:
    """The ranked summits without those near a better one."""
    kept: list[Summit] = []
    shapes: list[FloatArray] = []
    for summit in ranked:
        vertices = summit.chain.shape.vertices
        if all(np.sqrt(((vertices - other) ** 2).sum(axis=1).mean()) > apart_mm for other in shapes):
            kept.append(summit)
            shapes.append(vertices)
    return kept
