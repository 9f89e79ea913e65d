"""What a fit is worth: how sure its parameters are, how much better it fits than other places, and which view would help."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planning_core.anatomy.shape_model.model import ShapeInstance
from planning_core.geometry.arrays import Float32Array, FloatArray
from planning_core.xray.fitting.chain import Chain
from planning_core.xray.fitting.climb import LEAST_REST, Summit, observations, posterior_step
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.likeness import compared_where, cosine, picture, view_step
from planning_core.xray.fitting.prior import Prior
from planning_core.xray.fitting.starts import matched, placed, turned, turns
from planning_core.xray.fitting.window import Window, edges
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pair import angle_deg
from planning_core.xray.reconstruction import NextView, vertex_slopes

SEED = 20
PLACES = 12
ELSEWHERE_MM = (5.0, 10.0)
LEAST_SIGMA = 0.02
"""Of likeness by chance, however little the places looked at differ."""
PRIMARY_DEG, SECONDARY_DEG = (-75, -45, -20, 0, 20, 45, 75, 90), (-15, 0, 15)
LEAST_GAIN = 0.05
FURTHER_DEG = 14.0
"""From every view at hand: what misleads the fit in one misleads it in its neighbour, which the gain knows nothing of."""


def precision(
    chain: Chain, windows: Sequence[Window], weights: Sequence[Float32Array], prior: Prior, config: FitConfig
) -> FloatArray:
    """(p, p) of all parameters, neighbours' too, under the posterior's curvature."""
    normal, _ = posterior_step(chain, windows, weights, prior, np.ones(chain.count, bool), config)
    return (normal + normal.T) / 2


def significance(chain: Chain, windows: Sequence[Window]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Each view's likeness of the vertebra with its neighbours, and by how many sigmas it exceeds that of places around."""
    rng = np.random.default_rng(SEED)
    ways = rng.normal(size=(PLACES, 3))
    far = rng.uniform(*ELSEWHERE_MM, PLACES)
    shifts = ways * (far / np.linalg.norm(ways, axis=1))[:, None]
    some = turns((8.0,))
    elsewhere = [placed(turned(chain, some[n % len(some)]), chain.middle + s) for n, s in enumerate(shifts)]
    here = tuple(_likeness(chain, w) for w in windows)
    found = []
    for window, own in zip(windows, here, strict=True):
        there = [_likeness(other, window) for other in elsewhere]
        found.append((own - float(np.mean(there))) / max(float(np.std(there)), LEAST_SIGMA))
    return tuple(round(v, 4) for v in here), tuple(round(v, 3) for v in found)


def _likeness(chain: Chain, window: Window) -> float:
    bones = picture(window, chain.drawn())
    return cosine(window, bones, compared_where(window, bones))


def inverted(chain: Chain, windows: Sequence[Window], reach_mm: float) -> list[int]:
    """Views that the bones would lie on better, had their grey been turned round."""
    found = [matched(chain, w, reach_mm / w.pixel_mm) for w in windows]
    return [n for n, match in enumerate(found) if match.inverted > match.likeness]


def disagreement_mm(summits: Sequence[Summit], within: float) -> float:
    """Largest root mean square distance of any other summit's vertices from the best one's, of those nearly as high."""
    best = summits[0]
    away = [
        float(np.sqrt(((s.chain.shape.vertices - best.chain.shape.vertices) ** 2).sum(axis=1).mean()))
        for s in summits[1:]
        if best.score - s.score < within
    ]
    return max(away, default=0.0)


def collapse_differs(summits: Sequence[Summit], within: float) -> float:
    """Largest difference in the share of height lost, of any other summit nearly as high from the best one."""
    lost = [float(s.chain.shape.fracture.sum()) for s in summits if summits[0].score - s.score < within]
    return max(abs(one - lost[0]) for one in lost)


def axis_slopes(shape: ShapeInstance) -> FloatArray:
    """(k + 10, 4, 3) mm: how the ends of both pedicles' axes move with the parameters."""
    return shape.model.pedicles.of(vertex_slopes(shape))


def axis_sd_mm(shape: ShapeInstance, covariance: FloatArray) -> float:
    """Standard deviation of the pedicles' axes across themselves, mean of their ends, per direction."""
    slopes = axis_slopes(shape)
    ends = shape.pose.apply(shape.model.pedicles.of(shape.shape))
    total = 0.0
    for n, (one, other) in enumerate(((0, 1), (1, 0), (2, 3), (3, 2))):
        along = ends[other] - ends[one]
        along /= np.linalg.norm(along)
        point = slopes[:, n]
        spread = point.T @ covariance @ point
        total += float(np.trace(spread) - along @ spread @ along) / 2
    return float(np.sqrt(total / 4))


def _inverse(precision: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(precision), np.float64)


def next_view(
    chain: Chain, known: FloatArray, windows: Sequence[Window], likeness: Sequence[float], config: FitConfig
) -> NextView | None:
    """The isocentric view that would shrink the axes' standard deviation most, were it as like the bone as those at hand are.

    Args:
        known: (p, p) the precision so far.
    """
    now = axis_sd_mm(chain.shape, _inverse(known)[: chain.own, : chain.own])
    first = windows[0].view
    usual = float(np.clip(np.mean(likeness), 0.1, 0.9))
    pixel = windows[0].pixel_mm * 1.5
    size = 2 * int(np.ceil((90.0 + config.margin_mm) / pixel / 2))
    best: NextView | None = None
    for primary in PRIMARY_DEG:
        for secondary in SECONDARY_DEG:
            view = PinholeView.isocentric(
                primary,
                secondary,
                first.source_to_detector_mm,
                max(first.source_to_detector_mm * 0.6, 1.0),
                (size, size),
                (pixel / 0.6, pixel / 0.6),
                frame=first.frame,
                isocentre_mm=chain.middle,
            )
            if any(angle_deg(view, window.view) < FURTHER_DEG for window in windows):
                continue
            more = _information(chain, view, pixel, usual, config)
            then = axis_sd_mm(chain.shape, _inverse(known + more)[: chain.own, : chain.own])
            gain = 1 - then / now
            if gain > max(LEAST_GAIN, 0.0 if best is None else best.gain):
                best = NextView(float(primary), float(secondary), round(gain, 4))
    return best


def _information(chain: Chain, view: PinholeView, pixel_mm: float, likeness: float, config: FitConfig) -> FloatArray:
    """(p, p) precision that a view would add."""
    blank = Window(
        view,
        np.zeros((2, *view.size), np.float32),
        np.ones(view.size, bool),
        np.ones(view.size, np.float32),
        pixel_mm,
        config.blur_px,
    )
    bones = picture(blank, chain.drawn(alone=True))
    window = Window(view, edges(bones, config.blur_px, 1), blank.usable, blank.trust, pixel_mm, config.blur_px)
    step = view_step(window, chain, np.ones(chain.count, bool), compared_where(window, bones))
    trust = observations(window, step.free, config) / max(1 - likeness**2, LEAST_REST)
    return np.asarray(likeness**2 * trust * step.normal)
