"""The drawn canal is each vertebra's own at its height, and is not made up beyond the modelled ones."""

import numpy as np
import pytest

from planning_core.case.report.canal import REACH_MM, canal_at


def _around(vertebra):
    """Points (n, 3) mm about the canal at the height of the body's middle, in the vertebra's frame."""
    y, x = np.meshgrid(np.arange(5.0, 45.0, 2.0), np.arange(-15.0, 16.0, 2.0))
    return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])


def test_at_a_bodys_height_it_is_that_vertebras_own_canal(subject):
    for one in subject.spine.vertebrae.values():
        points = _around(one)
        here = (subject.vertebra.ct_lps_from_vertebra.inverse() @ one.ct_lps_from_vertebra).apply(points)
        assert canal_at(subject.spine, subject.vertebra, here) == pytest.approx(one.canal.at(points), abs=0.05)


def test_it_does_not_run_through_a_neighbours_bone(subject):
    for one in subject.spine.vertebrae.values():
        bone = one.body.grid.points(np.argwhere(one.body.values < -2.0)[::50])
        here = (subject.vertebra.ct_lps_from_vertebra.inverse() @ one.ct_lps_from_vertebra).apply(bone)
        drawn = canal_at(subject.spine, subject.vertebra, here)
        assert not (drawn < 0).any()


def test_beyond_the_modelled_vertebrae_nothing_is_drawn(subject):
    top = min(subject.spine.vertebrae.values(), key=lambda v: v.level.ordinal)
    above = top.ct_lps_from_vertebra.apply(np.array([[0.0, 20.0, REACH_MM + 1], [0.0, 20.0, REACH_MM - 1]]))
    drawn = canal_at(subject.spine, subject.vertebra, subject.vertebra.ct_lps_from_vertebra.inverse().apply(above))
    assert np.isnan(drawn).tolist() == [True, False]
