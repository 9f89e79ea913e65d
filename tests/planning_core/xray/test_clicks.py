"""What an operator points at."""

import pytest

from planning_core.xray.clicks import Clicks, InvalidClicksError
from planning_core.xray.geometry import PinholeView

VIEWS = [PinholeView.isocentric(a, 0, 1000.0, 600.0, (100, 120), (1.0, 1.0)) for a in (0, 90)]


def test_one_or_three_points_in_each_view():
    Clicks([[50, 60], [40, 30]]).check(VIEWS)
    Clicks([[[50, 60], [40, 40], [40, 80]]] * 2).check(VIEWS)


@pytest.mark.parametrize(
    "pixels", [[[[1, 2], [3, 4]]] * 2, [[1, 2], [[1, 2], [3, 4], [5, 6]]], [[1, 2, 3]] * 2, [[float("nan"), 1]] * 2]
)
def test_other_clicks_are_refused(pixels):
    with pytest.raises(InvalidClicksError):
        Clicks(pixels)


def test_clicks_beside_their_pictures_are_refused():
    with pytest.raises(InvalidClicksError) as refused:
        Clicks([[50, 60], [50, 130]]).check(VIEWS)
    assert refused.value.given == [1]
    with pytest.raises(InvalidClicksError):
        Clicks([[50, 60]]).check(VIEWS)
