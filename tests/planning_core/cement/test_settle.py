"""What settling takes from a gap between two endplates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.cement.settle import _standing


@given(st.floats(-10, 10, allow_subnormal=False), st.floats(0.05, 0.8))
def test_never_more_than_the_gap_and_never_less_than_nothing(gap, sigma):
    taken = float(_standing(np.array([gap]), sigma)[0])
    assert 0 <= taken <= max(gap, 0)


def test_a_gap_within_noise_is_closed_and_a_deep_one_left():
    near, deep = _standing(np.array([0.1, 4.0]), 0.2)
    assert near == pytest.approx(0.1, rel=0.1)
    assert deep < 1e-6
