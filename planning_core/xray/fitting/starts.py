"""Where a fit may start: turns about the usual stand, each shifted over the pictures to where it fits best."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import scipy.fft
from scipy.spatial.transform import Rotation

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.fitting.chain import Chain
from planning_core.xray.fitting.likeness import coverage, picture
from planning_core.xray.fitting.window import Window, edges


def turns(angles_deg: Sequence[float]) -> list[FloatArray]:
    """Rotation matrices (3, 3): each angle about each axis, both ways."""
    out = [np.eye(3)]
    for angle in sorted({float(a) for a in angles_deg} - {0.0}):
        out += [Rotation.from_rotvec(sign * np.radians(angle) * axis).as_matrix() for axis in np.eye(3) for sign in (1, -1)]
    return out


def turned(chain: Chain, turn: FloatArray) -> Chain:
    """The chain turned (3, 3) about the middle of its body, views' frame."""
    middle, pose = chain.middle, chain.shape.pose
    away = RigidTransform.from_parts(pose.dst, pose.dst, turn, middle - turn @ middle)
    return chain.at(away @ pose)


def placed(chain: Chain, middle: FloatArray) -> Chain:
    """The chain shifted so that the middle of its body is at a point (3,) of the views' frame."""
    pose = chain.shape.pose
    return chain.at(RigidTransform.from_parts(pose.dst, pose.src, pose.rotation, pose.translation_mm + middle - chain.middle))


def shifted(chain: Chain, windows: Sequence[Window], reach_mm: float) -> Chain:
    """The chain shifted so that each view's bones lie where they fit best in the picture's plane.

    Along a single view's beam nothing is known: there the shortest shift is taken.
    """
    middle = chain.middle
    slopes = [w.view.project_slope(middle) for w in windows]
    wanted = [matched(chain, w, reach_mm / w.pixel_mm).shift for w in windows]
    away = np.linalg.lstsq(np.vstack(slopes), np.concatenate(wanted), rcond=1e-3)[0]
    return placed(chain, middle + away)


@attrs.frozen(eq=False)
class Match:
    """How drawn bones lie best on a picture.

    Args:
        shift: (2,) whole rows and columns. likeness: there.
        inverted: the largest anywhere near, with the picture's grey turned round.
    """

    shift: FloatArray
    likeness: float
    inverted: float


def matched(chain: Chain, window: Window, reach_px: float) -> Match:
    """Where within so many pixels the drawn bones lie best on the picture, found by Fourier transforms.

    The sum over pixels under the bones' outline is normalised by what the picture shows there (Lewis 1995).
    """
    bones = picture(window, chain.drawn())
    covered = coverage(window, bones)
    mine, theirs = edges(bones, window.blur_px, 1), window.edges * window.usable
    size = [scipy.fft.next_fast_len(2 * n, real=True) for n in window.view.size]

    def correlated(fixed: np.ndarray, moving: np.ndarray) -> FloatArray:
        return np.asarray(scipy.fft.irfft2(scipy.fft.rfft2(fixed, size) * np.conj(scipy.fft.rfft2(moving, size)), size))

    together = sum(correlated(t, m * covered) for t, m in zip(theirs, mine, strict=True))
    energy = correlated((theirs**2).sum(axis=0), covered)
    score = together / np.sqrt(np.maximum(energy, 0.05 * energy.max()) + 1e-12)
    rows, columns = (np.rint(scipy.fft.fftfreq(n, 1 / n)) for n in size)
    far = np.hypot(rows[:, None], columns[None, :])
    near = np.where(far <= reach_px, score, 0.0)
    row, column = np.unravel_index(int(np.where(far <= reach_px, score, -np.inf).argmax()), score.shape)
    return Match(np.array([rows[row], columns[column]]), float(near.max()), float(-near.min()))
