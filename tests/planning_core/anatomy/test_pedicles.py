"""Pedicles of vertebrae whose answer is known, and of real ones that were measured wrongly."""

import attrs
import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.vertebra import Pedicle, Side
from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import FloatArray
from tests.data import HEALTHY_MASK
from tests.planning_core.trajectory.tubes import WALL_MM, Tube, axis, vertebra


def _measure(tube: Tube, lip: FloatArray | None = None) -> dict[Side, Pedicle]:
    """Pedicles of a vertebra of tubes; ``lip``: (2, 3) corners of a block of bone more."""
    known = vertebra(tube, tube)
    whole = known.whole
    if lip is not None:
        beyond = np.abs(whole.grid.all_points() - lip.mean(axis=0)) - np.ptp(lip, axis=0) / 2
        whole = DistanceField(np.minimum(whole.values, beyond.max(axis=-1)), whole.grid)
    return measure_pedicles(attrs.evolve(known, whole=whole))


@pytest.mark.parametrize("radius", [2.3, 2.8, 3.6, 6.5])
def test_width_is_the_tubes(radius: float) -> None:
    for side, pedicle in _measure(Tube(radius)).items():
        assert pedicle.width_mm == pytest.approx(2 * radius, abs=0.5)
        centre, _ = axis(side, Tube(radius))
        assert np.linalg.norm((vertebra().ct_lps_from_vertebra.inverse().apply(pedicle.centre_lps_mm) - centre)[[0, 2]]) < 1.0


def test_convergence_is_the_tubes() -> None:
    for pedicle in _measure(Tube(3.5, convergence_deg=15.0)).values():
        assert pedicle.transverse_deg == pytest.approx(15.0, abs=5.0)


def test_a_lip_that_ends_blindly_is_not_followed() -> None:
    # thicker than the pedicle where the search begins, but without a way on to the arch
    lip = np.array([[7.0, WALL_MM - 3.0, -16.0], [21.0, WALL_MM + 7.0, -4.0]])
    pedicle = _measure(Tube(2.6), lip)[Side.LEFT]
    assert pedicle.width_mm == pytest.approx(5.2, abs=0.4)


def test_pedicles_of_a_real_t12_above_a_long_lip_are_found(modelled) -> None:
    _, spine = modelled(HEALTHY_MASK)
    pedicles = measure_pedicles(spine.vertebrae[VertebraLevel.T12])
    assert set(pedicles) == set(Side)
    for pedicle in pedicles.values():
        assert 5.0 < pedicle.width_mm < 12.0
