"""How like a chain of vertebrae and an X-ray image are, and what the image says about the chain's parameters.

The cosine between the slopes of the picture and of the drawn bones (gradient correlation, Penney et al. 1998) with pixels that no
drawn bone explains counting less.
"""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.geometry.arrays import Float32Array, FloatArray
from planning_core.xray.fitting.chain import Chain, Drawn
from planning_core.xray.fitting.window import EVERY, LEAST_PIXELS, Window, edges
from planning_core.xray.geometry import PinholeView
from planning_core.xray.splat import spread, spread_moves

COVERED = 0.02
"""Of the thickest bone: less is not covered by it."""


@attrs.frozen(eq=False)
class ViewStep:
    """One view's part in a step.

    Args:
        likeness: -1 to 1. normal: (p, p) and pull: (p,) of the parameters, where the sum of squares of the picture is 1.
        free: how many pixels the weights amount to. slopes, residual: what pull is the product of, (2 rows columns, p) and
            (2 rows columns,), or none.
    """

    likeness: float
    normal: FloatArray
    pull: FloatArray
    free: float
    slopes: Float32Array
    residual: Float32Array


def _seen(view: PinholeView, drawn: Drawn) -> tuple[Float32Array, Float32Array, Float32Array | None]:
    """Pixels (m, 2), masses (m,) and moves (2, m, p) of what is drawn."""
    pose, k = view.camera_from_scene, view.intrinsic.astype(np.float32)
    rotation = pose.rotation.astype(np.float32)
    x, y, z = (drawn.points @ rotation.T + pose.translation_mm.astype(np.float32)).T
    pixels = np.stack([k[1, 1] * y / z + k[1, 2], k[0, 0] * x / z + k[0, 1] * y / z + k[0, 2]], axis=1)
    mass = drawn.mass * (z.mean() / z) ** 2
    if drawn.slopes is None:
        return pixels, mass, None
    dx, dy, dz = np.moveaxis(drawn.slopes @ rotation.T, -1, 0)
    z, down, over = z[None], (y / z)[None], (x / z)[None]
    row = k[1, 1] * (dy - down * dz) / z
    column = k[0, 0] * (dx - over * dz) / z + k[0, 1] * (dy - down * dz) / z
    return pixels, mass, np.stack([row.T, column.T])


def picture(window: Window, parts: list[Drawn]) -> Float32Array:
    """(rows, columns): the bones as drawn, before any blur."""
    out = np.zeros(window.view.size, np.float32)
    for drawn in parts:
        pixels, mass, _ = _seen(window.view, drawn)
        out += spread(np.ascontiguousarray(pixels), mass, window.view.size)
    return out


def coverage(window: Window, bones: Float32Array) -> Float32Array:
    """(rows, columns): 1 where bones or their outlines are drawn and the picture may be compared."""
    smooth = ndi.gaussian_filter(bones, window.blur_px)
    covered = smooth > COVERED * smooth.max() if smooth.max() > 0 else np.zeros_like(smooth, bool)
    covered = ndi.binary_dilation(covered, iterations=int(np.ceil(1.5 * window.blur_px)))
    return np.where(covered & window.usable, window.trust, np.float32(0))


def compared_where(window: Window, bones: Float32Array) -> Float32Array:
    """``coverage`` in the pixels that are compared."""
    return np.ascontiguousarray(coverage(window, bones)[::EVERY, ::EVERY])


def robust(window: Window, chain: Chain, outlier: float) -> Float32Array:
    """(rows / 2, columns / 2): weights: 0 where no bone is drawn, less where the picture shows what no drawn bone is."""
    bones = picture(window, chain.drawn())
    weight = seen = compared_where(window, bones)
    if weight.sum() < LEAST_PIXELS:
        return weight
    mine, theirs = edges(bones, window.blur_px), window.compared
    for _ in range(3):
        size = float((mine**2 * weight).sum())
        gain = max(float((mine * theirs * weight).sum()) / size, 0.0) if size > 0 else 0.0
        away = np.sqrt(((theirs - gain * mine) ** 2).sum(axis=0))
        usual = float(np.median(away[weight > 0])) * 1.2
        weight = np.asarray(seen / (1 + (away / max(outlier * usual, 1e-12)) ** 2), np.float32)
    return weight


def cosine(window: Window, bones: Float32Array, weight: Float32Array) -> float:
    """-1 to 1: likeness of drawn bones (rows, columns) under weights; -1 where nothing is seen."""
    mine = edges(bones, window.blur_px)
    size = float(np.sqrt((mine**2 * weight).sum() * (window.compared**2 * weight).sum()))
    return float((mine * window.compared * weight).sum()) / size if weight.sum() >= LEAST_PIXELS and size > 0 else -1.0


def view_step(window: Window, chain: Chain, active: np.ndarray, weight: Float32Array) -> ViewStep:
    """What one view says about how to move the active parameters (p,) bool."""
    count = int(active.sum())
    place = np.cumsum(active) - 1
    bones = np.zeros(window.view.size, np.float32)
    moves = np.zeros((count, *window.view.size), np.float32)
    for drawn in chain.drawn(active):
        pixels, mass, steps = _seen(window.view, drawn)
        pixels = np.ascontiguousarray(pixels)
        bones += spread(pixels, mass, window.view.size)
        if steps is not None and steps.shape[2]:
            moves[place[drawn.which]] += spread_moves(pixels, mass, np.ascontiguousarray(steps), window.view.size)
    root = np.sqrt(weight)
    mine, theirs = edges(bones, window.blur_px) * root, window.compared * root
    mine_size, their_size = float(np.sqrt((mine**2).sum())), float(np.sqrt((theirs**2).sum()))
    if weight.sum() < LEAST_PIXELS or mine_size == 0 or their_size == 0:
        return ViewStep(
            -1.0, np.zeros((count, count)), np.zeros(count), 0.0, np.zeros((0, count), np.float32), np.zeros(0, np.float32)
        )
    flat = (edges(moves, window.blur_px) * root).reshape(count, -1) / mine_size
    mine, theirs = mine.ravel() / mine_size, theirs.ravel() / their_size
    likeness = float(mine @ theirs)
    flat -= (flat @ mine)[:, None] * mine  # only what turns the vector, not what stretches it
    residual = theirs - likeness * mine
    # least squares with the gain that fits best, the likeness itself in these units
    gain = max(likeness, 0.05)
    flat *= gain
    return ViewStep(
        likeness,
        (flat @ flat.T).astype(np.float64),
        (flat @ residual).astype(np.float64),
        float(weight.sum()),
        flat,
        residual,
    )
