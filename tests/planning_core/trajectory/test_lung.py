"""Lung beside the way in."""

import numpy as np
import pytest

from planning_core.geometry import Grid
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.lung import lung_distance_mm

FORWARDS = np.array([0.0, -1.0, 0.0])
ENTRY = np.array([20.0, 20.0, 20.0])


def _distance(air_from_x_mm: int, skin_mm: float | None = 60.0, within_mm: float = 12.0) -> float:
    """With air on one side from a given x on, for 30 mm behind the bone."""
    hu = np.full((40, 100, 60), 40, np.int16)
    hu[:, :50, air_from_x_mm:] = -850
    ct = CtVolume(hu, Grid(hu.shape, [1, 1, 1], [0, 0, 0]), "0" * 64)
    return lung_distance_mm(ct, ENTRY, FORWARDS, skin_mm, -400.0, within_mm)


@pytest.mark.parametrize("gap", [3, 6, 10])
def test_distance_is_from_the_axis_to_the_air(gap: int) -> None:
    assert _distance(20 + gap) == pytest.approx(gap - 0.5, abs=0.75)


def test_lung_far_away_is_not_looked_for() -> None:
    assert _distance(45) == float("inf")


def test_an_axis_in_the_lung_has_no_distance() -> None:
    assert _distance(15) == 0.0


def test_the_rooms_air_beside_the_skin_is_not_lung() -> None:
    hu = np.full((40, 100, 60), 40, np.int16)
    hu[:, 70:] = -1000
    ct = CtVolume(hu, Grid(hu.shape, [1, 1, 1], [0, 0, 0]), "0" * 64)
    assert lung_distance_mm(ct, ENTRY, FORWARDS, 50.0, -400.0, 8.0) == float("inf")


def test_what_lies_beyond_the_scan_is_not_counted() -> None:
    hu = np.full((40, 30, 24), 40, np.int16)
    ct = CtVolume(hu, Grid(hu.shape, [1, 1, 1], [0, 0, 0]), "0" * 64)
    assert lung_distance_mm(ct, ENTRY, FORWARDS, None, -400.0, 8.0) == float("inf")
