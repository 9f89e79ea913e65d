"""Points of bone over a picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.xray.splat import spread, spread_moves

SIZE = (20, 24)


def points(seed, count=40):
    rng = np.random.default_rng(seed)
    # away from whole numbers, where the slope jumps
    pixels = rng.integers(2, 16, (count, 2)) + rng.uniform(0.1, 0.9, (count, 2))
    return (
        pixels.astype(np.float32),
        rng.uniform(0.5, 2, count).astype(np.float32),
        rng.normal(size=(2, count, 3)).astype(np.float32),
    )


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_no_mass_is_lost_and_its_middle_is_kept(seed):
    pixels, mass, _ = points(seed)
    out = spread(pixels, mass, SIZE)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    assert out.sum() == pytest.approx(mass.sum(), rel=1e-5)
    assert (rows * out).sum() == pytest.approx((pixels[:, 0] * mass).sum(), rel=1e-4)
    assert (columns * out).sum() == pytest.approx((pixels[:, 1] * mass).sum(), rel=1e-4)


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_slopes_are_those_of_the_picture(seed):
    pixels, mass, moves = points(seed)
    slopes, step = spread_moves(pixels, mass, moves, SIZE), 0.01
    for p in range(3):
        there, back = (spread(pixels + sign * step * moves[:, :, p].T, mass, SIZE) for sign in (1, -1))
        assert slopes[p] == pytest.approx((there - back) / (2 * step), abs=2e-2)


def test_points_outside_are_not_drawn():
    pixels = np.array([[-1.0, 5], [5, 30], [19.5, 3]], np.float32)
    assert spread(pixels, np.ones(3, np.float32), SIZE).sum() == 0
