"""The shared map of collapse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.anatomy.collapse import KINDS, TAPER_MM, BodyBox, lost_shares

BOX = BodyBox(0.0, 15.0, -17.0)
PLACES = st.floats(-30, 30)


@given(st.sampled_from(KINDS), PLACES, PLACES)
def test_no_column_gains_height_or_loses_more_than_a_tenth_above_the_loss(kind, x, y):
    upper, lower = lost_shares(kind, np.array(x), np.array(y), BOX)
    assert 0 <= upper + lower <= 1.1


@given(st.sampled_from(KINDS), PLACES, st.floats(15, 60))
def test_nothing_behind_the_posterior_wall_sinks(kind, x, y):
    upper, lower = lost_shares(kind, np.array(x), np.array(y), BOX)
    assert upper == lower == 0


def test_each_kind_falls_where_its_name_says():
    front, middle, back = np.array([-16.0, -1.0, 15.0 - TAPER_MM])
    fall = {kind: [sum(lost_shares(kind, np.zeros(1), np.array([y]), BOX))[0] for y in (front, middle, back)] for kind in KINDS}
    assert fall["wedge"][0] > 1.7 * fall["wedge"][1] > 2 * fall["wedge"][2]
    assert fall["biconcave"][1] > 1.9 * max(fall["biconcave"][0], fall["biconcave"][2])
    assert min(fall["crush"]) > 0.5


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="burst"):
        lost_shares("burst", np.zeros(1), np.zeros(1), BOX)
