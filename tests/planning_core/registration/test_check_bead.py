import numpy as np
import pytest

from planning_core.registration.check_bead import (
    AmbiguousCheckBeadError,
    CheckBeadConfig,
    NoCheckBeadError,
    choose_check_bead,
    other_beads,
)
from planning_core.registration.registration import find_plate
from tests.planning_core.registration.rooms import PLATE, scanned

TARGET = np.array([12.0, -17, 230])
ISOCENTRE = np.array([12.0, -7, 230])


def plate_with(*loose):
    made, _ = scanned(0.8, loose_beads_mm=[np.array(b, float) for b in loose])
    return find_plate(made.as_ct(), PLATE)


def test_the_nearest_bead_that_is_not_the_plates_is_the_check_point():
    found = plate_with([10, -20, 5], [-30, -20, -20])
    assert len(other_beads(found)) == 2
    np.testing.assert_allclose(choose_check_bead(found, TARGET).centre_lps_mm, ISOCENTRE + [10, -20, 5], atol=0.1)


def test_none_is_refused_and_so_is_one_far_away():
    with pytest.raises(NoCheckBeadError, match="shows none"):
        choose_check_bead(plate_with(), TARGET)
    with pytest.raises(NoCheckBeadError) as caught:
        choose_check_bead(plate_with([10, -20, 5]), TARGET, CheckBeadConfig(within_mm=10.0))
    assert (caught.value.found, caught.value.within_mm) == (1, 10.0)
    assert caught.value.nearest_mm == pytest.approx(15, abs=0.2)


def test_two_nearly_as_near_are_for_the_operator_to_tell():
    with pytest.raises(AmbiguousCheckBeadError) as caught:
        choose_check_bead(plate_with([15, -10, 0], [-15, -10, 4]), TARGET)
    assert len(caught.value.distances_mm) == 2
