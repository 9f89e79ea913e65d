"""Slopes that are compared."""

import numpy as np
import pytest
import scipy.ndimage as ndi

from planning_core.xray.fitting.window import BAND, EVERY, REACH, edges


def test_products_of_matrices_are_the_filters():
    pictures = np.random.default_rng(0).normal(size=(3, 40, 31)).astype(np.float32)
    found = edges(pictures, 1.2, 1)
    for n, picture in enumerate(pictures):
        for axis, order in enumerate(((1, 0), (0, 1))):
            narrow, wide = (ndi.gaussian_filter(picture, s, order, mode="nearest", truncate=REACH) for s in (1.2, BAND * 1.2))
            assert found[n, axis] == pytest.approx(narrow - wide, abs=1e-5)


def test_every_other_pixel_is_one_of_all():
    picture = np.random.default_rng(1).normal(size=(24, 30)).astype(np.float32)
    assert edges(picture, 1.2) == pytest.approx(edges(picture, 1.2, 1)[:, ::EVERY, ::EVERY], abs=1e-6)


def test_gain_and_offset_of_a_picture_do_not_turn_its_slopes():
    picture = np.random.default_rng(2).normal(size=(24, 30)).astype(np.float32)
    assert edges(3 * picture + 7, 1.2) == pytest.approx(3 * edges(picture, 1.2), abs=1e-4)
