"""A vertebra's pose, size, shape and collapse from two or more X-ray images.

An atlas of attenuation is carried by the shape model and drawn as points over the pictures; from turns about the usual stand, the
vertebra with its neighbours is shifted onto the pictures and climbs to the summit of the posterior, coarse to fine, rigid first.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.anatomy.shape_model.model import ShapeInstance
from planning_core.anatomy.shape_model.store import load_shape_model
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.atlas.atlas import load_bone_atlas
from planning_core.xray.clicks import Clicks
from planning_core.xray.fitting.chain import Chain, chain_of
from planning_core.xray.fitting.climb import Summit, climb
from planning_core.xray.fitting.confidence import Calibration, Signs, shipped
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.judge import collapse_differs, disagreement_mm, inverted, next_view, precision, significance
from planning_core.xray.fitting.likeness import robust
from planning_core.xray.fitting.prior import PAIR, Prior, prior_of
from planning_core.xray.fitting.starts import placed, shifted, turned, turns
from planning_core.xray.fitting.window import Window, window_about
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage
from planning_core.xray.pair import check_views, meeting_point
from planning_core.xray.reconstruction import XrayReconstruction, body_middle
from planning_core.xray.refusals import XrayError

NEARLY = 1.5
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
        InvalidClicksError: clicks do not fit the images, or left and right are exchanged.
        ReconstructionError: a view does not show the vertebra.
    """
    config = config or FitConfig()
    angle = check_views([image.view for image in images])
    calibration = calibration or shipped(1 if clicks is None else len(clicks.pixels[0]))
    found = find(images, level, clicks, config, usual=usual)
    sure = calibration.probability(found.signs)
    doubts = list(found.plain_doubts(config))
    if sure < calibration.threshold:
        doubts.insert(0, f"the model is good with a probability of {sure:.0%} only, {calibration.threshold:.0%} is needed")
    if clicks is None:
        doubts.insert(0, f"nobody showed which vertebra {level.value} is, and its neighbours look alike")
    further = None
    if doubts or angle < config.wide_deg:
        further = next_view(found.chain, found.known, found.windows, found.likeness, config)
    return XrayReconstruction(
        level, found.chain.shape, found.covariance, found.likeness, found.significance, round(sure, 4), tuple(doubts), further
    )


@attrs.frozen(eq=False)
class Findings:
    """What a search found, before it is judged.

    Args:
        chain: the vertebra and its neighbours. rigid: the usual shape where it fits best. windows: the finest, about it.
        known: (p, p) precision of the chain's parameters. covariance: of the vertebra's own.
        likeness, significance: one per view. signs: what can be seen of it without the truth.
        inverted: views that fit better with their grey turned round.
        collapse_differs: share of height lost by which another result differs that fits about as well.
    """

    chain: Chain
    rigid: ShapeInstance
    windows: tuple[Window, ...]
    known: FloatArray
    covariance: FloatArray
    likeness: tuple[float, ...]
    significance: tuple[float, ...]
    signs: Signs
    inverted: tuple[int, ...]
    collapse_differs: float

    def plain_doubts(self, config: FitConfig) -> list[str]:
        """What speaks against it by itself."""
        doubts, signs, region = [], self.signs, self.chain.shape.model.region
        if region in config.unproven:
            doubts.append(f"from {region.value} most vertebrae of a patient who was left out were rebuilt badly")
        if self.inverted:
            doubts.append(f"views {list(self.inverted)} fit better with their grey turned round")
        if signs.least_significance < config.least_significance:
            doubts.append(
                f"view {int(np.argmin(self.significance))} is like the bone by {signs.least_significance:.1f} sigmas of chance "
                f"only, {config.least_significance} are needed"
            )
        if signs.disagreement_mm > config.most_disagreement_mm:
            doubts.append(
                f"another pose fits nearly as well, "
                f"{signs.disagreement_mm:.1f} mm away, {config.most_disagreement_mm} mm are allowed"
            )
        if self.collapse_differs > config.most_collapse:
            doubts.append(
                "whether the body has collapsed is open: results that fit alike differ by "
                f"{self.collapse_differs:.0%} of its height"
            )
        extreme = float(np.abs(self.chain.shape.weights).max(initial=0.0))
        if extreme > config.most_weight:
            doubts.append(f"a shape {extreme:.1f} standard deviations from the usual, {config.most_weight} are allowed")
        return doubts


def find(
    images: Sequence[XrayImage],
    level: VertebraLevel,
    clicks: Clicks | None,
    config: FitConfig,
    *,
    usual: Chain | None = None,
) -> Findings:
    """Search and climb; arguments and refusals as for ``reconstruct``, of which this is the part before judgement."""
    views = [image.view for image in images]
    check_views(views)
    usual = usual or usual_chain(level, views[0].frame)
    if clicks is not None:
        clicks.check(views)
    start = _start(usual, views, clicks)
    prior = prior_of(usual, views if clicks else (), clicks.pixels if clicks else (), config)
    fitting = _Fitting(images, config)
    rigid, summits = fitting.summits(start, prior, config.blind_mm if clicks is None else 0.0)
    best = summits[0].chain
    windows = fitting.windows(best, -1)
    weights = [robust(w, best, config.outlier) for w in windows]
    known = precision(best, windows, weights, prior, config)
    covariance = np.linalg.inv(known)[: best.own, : best.own]
    covariance = (covariance + covariance.T) / 2
    likeness, beyond = significance(best, windows)
    sd = XrayReconstruction(level, best.shape, covariance, likeness, beyond, 0.0).surface_sd_mm
    # what several views say together, as two would: the confidence was made on pairs, and more pictures alone are no better fit
    gain = (summits[0].score + prior.cost(best)) * PAIR / len(views)
    deviation = prior.deviation(best)
    signs = Signs(
        likeness=float(np.mean(likeness)),
        significance=float(np.mean(beyond)),
        least_significance=float(np.min(beyond)),
        disagreement_mm=disagreement_mm(summits, NEARLY),
        surface_sd_mm=float(np.sqrt((sd**2).mean())),
        log_score=float(np.log1p(max(gain - deviation, 0.0))),
        deviation=deviation,
    )
    differs = collapse_differs(summits, NEARLY)
    turned_round = tuple(inverted(best, windows, config.search_mm))
    return Findings(best, rigid.chain.shape, tuple(windows), known, covariance, likeness, beyond, signs, turned_round, differs)


def usual_chain(level: VertebraLevel, frame: str) -> Chain:
    """The shipped models' usual vertebra of a level with its neighbours."""
    models = {v: load_shape_model(v) for v in USUAL_LEVELS}
    return chain_of(load_shape_model(level), level, load_bone_atlas(), models, frame)


def _start(usual: Chain, views: Sequence[PinholeView], clicks: Clicks | None) -> Chain:
    """The usual vertebra put where it was clicked, or between the views."""
    if clicks is None:
        return placed(usual, meeting_point(views))
    points = clicks.met(views)
    if len(points) == 1:
        return placed(usual, points[0])
    shape = usual.shape
    ends = shape.model.pedicles.of(shape.shape)
    own = np.array([body_middle(shape.model, shape.shape), ends[:2].mean(axis=0), ends[2:].mean(axis=0)])
    u, _, vt = np.linalg.svd((own - own.mean(axis=0)).T @ (points - points.mean(axis=0)))
    rotation = (u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt).T
    shift = points.mean(axis=0) - rotation @ own.mean(axis=0)
    return usual.at(RigidTransform.from_parts(shape.pose.dst, shape.pose.src, rotation, shift))


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

    def summits(self, start: Chain, prior: Prior, blind_mm: float) -> tuple[Summit, list[Summit]]:
        """The best place of the usual shape, and the summits found from a start, best first.

        ``blind_mm``: how far along the spine from there is looked.
        """
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
        chains = [s.chain for s in _distinct(found, config.apart_mm)[: config.kept]]
        # shape and collapse explain each other: the best place is also left from a body that has collapsed
        broken = attrs.evolve(chains[0].shape, fracture=np.array(config.first_fracture))
        chains.append(attrs.evolve(chains[0], shape=broken))
        followed = [self._followed(chain, prior, k) for chain in chains]
        followed.sort(key=lambda s: -s.score)
        return found[0], followed

    def _followed(self, chain: Chain, prior: Prior, modes: int) -> Summit:
        config = self.config
        some = climb(
            chain, self.windows(chain, 0), prior, chain.opened(min(config.first_modes, modes), True), config.steps, config
        )
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
