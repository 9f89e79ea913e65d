"""Depth in thin bone is measured from its walls, not between samples."""

import numpy as np
import pytest

from planning_core.anatomy.redistance import redistanced
from planning_core.geometry import DistanceField, Grid

LOW, HIGH = np.array([-6.0, -4.0, -4.0]), np.array([6.0, 4.0, 4.0])


def _slab(half_mm: float, middle_mm: float) -> DistanceField:
    grid = Grid.centred("vertebra_L1", (20.0, 20.0, 20.0), 1.0)
    return DistanceField(np.abs(grid.all_points()[..., 0] - middle_mm) - half_mm, grid)


@pytest.mark.parametrize("middle", [0.0, 0.25, 0.5, 0.75])
def test_the_ridge_between_two_walls_is_not_rounded_off(middle: float) -> None:
    fine = redistanced(_slab(2.5, middle), LOW, HIGH)
    points = np.column_stack([np.full(5, middle), np.linspace(-3, 3, 5), np.zeros(5)])
    # between its own samples, half a millimetre apart, a quarter of one may still be missing
    assert (-fine.at(points)).min() > 2.24
    assert (-fine.at(points)).max() < 2.55


def test_half_way_between_coarse_samples_half_a_millimetre_is_won_back() -> None:
    coarse, middle = _slab(2.5, 0.5), np.array([0.5, 0.0, 0.0])
    assert -coarse.at(middle) == pytest.approx(2.0)
    assert -redistanced(coarse, LOW, HIGH).at(middle) == pytest.approx(2.5, abs=0.05)


def test_walls_stay_where_they_were() -> None:
    coarse = _slab(2.5, 0.3)
    fine = redistanced(coarse, LOW, HIGH)
    near = fine.grid.all_points()[np.abs(fine.values) < 1.0]
    np.testing.assert_allclose(fine.at(near), coarse.at(near), atol=0.1)


def test_outside_bone_nothing_changes() -> None:
    coarse = _slab(2.5, 0.3)
    fine = redistanced(coarse, LOW, HIGH)
    outside = fine.grid.all_points()[fine.values > 0]
    np.testing.assert_allclose(fine.at(outside), coarse.at(outside), atol=1e-5)


def test_a_box_without_bone_is_left_alone() -> None:
    fine = redistanced(_slab(2.5, 0.0), np.array([10.0, -2.0, -2.0]), np.array([14.0, 2.0, 2.0]))
    assert fine.values.min() > 0
