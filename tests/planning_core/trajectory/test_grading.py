"""Grades and directional margins."""

import numpy as np
import pytest

from planning_core.anatomy.vertebra import Side
from planning_core.trajectory.corridor import corridors
from planning_core.trajectory.grading import grade, wall_margins
from planning_core.trajectory.measures import Lines
from tests.planning_core.trajectory.tubes import Tube, axis, vertebra


@pytest.mark.parametrize(
    ("clearance", "letter"),
    [(1.2, "A"), (0.0, "A"), (-0.01, "B"), (-1.99, "B"), (-2.0, "C"), (-3.99, "C"), (-4.0, "D"), (-5.99, "D"), (-6.0, "E")],
)
def test_grades_change_at_two_four_and_six_millimetres(clearance: float, letter: str) -> None:
    assert grade(clearance).value == letter


@pytest.mark.parametrize("side", list(Side))
def test_margins_name_the_wall_the_path_is_shifted_to(side: Side) -> None:
    tube = Tube(4.0)
    corridor = corridors(vertebra(tube, tube, grid_mm=0.5), ())[side]
    centre, way = axis(side, tube)
    centre, forwards = corridor.from_frame(centre), way * [corridor.sign, 1, 1]
    middle = wall_margins(corridor, Lines(centre[None], (centre + 20 * forwards)[None]), 1.6)
    assert middle.lateral_mm == pytest.approx(2.4, abs=0.15)
    assert middle.cranial_mm == pytest.approx(2.4, abs=0.15)
    shifted = centre + np.array([1.0, 0.0, 0.5])
    moved = wall_margins(corridor, Lines(shifted[None], (shifted + 20 * forwards)[None]), 1.6)
    assert moved.lateral_mm < middle.lateral_mm - 0.8
    assert moved.medial_mm > middle.medial_mm + 0.5
    assert moved.cranial_mm < moved.caudal_mm
