"""What a path is measured by: each way of being unsafe is seen."""

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.anatomy.vertebra import Side
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.corridor import corridors
from planning_core.trajectory.measures import FINE, Lines, PathMeasures, PedicleMeasures, measure_path, measure_pedicle
from tests.planning_core.trajectory.tubes import ARCH_MM, CANAL_RADIUS_MM, WALL_MM, Tube, vertebra

TUBE = Tube(3.5)
CORRIDOR = corridors(vertebra(TUBE, TUBE, grid_mm=0.5), ())[Side.LEFT]
X = CANAL_RADIUS_MM + 2.0 + 3.5


def _measure(gate: FloatArray, tip: FloatArray) -> tuple[PedicleMeasures, PathMeasures]:
    lines = Lines(np.array([gate], float), np.array([tip], float))
    return measure_pedicle(CORRIDOR, lines, FINE), measure_path(CORRIDOR, lines, 45.0, FINE)


def test_the_pedicle_is_the_stretch_beside_the_front_half_of_the_canal() -> None:
    assert CORRIDOR.pedicle_end_mm == pytest.approx(CANAL_RADIUS_MM, abs=0.5)
    assert CORRIDOR.canal_half_width_mm == pytest.approx(CANAL_RADIUS_MM, abs=0.5)


def test_a_central_path_has_the_tubes_radius_of_bone() -> None:
    pedicle, path = _measure([X, 19.0, 4.0], [X, -8.0, 4.0])
    assert pedicle.depth_mm[0] == pytest.approx(3.5, abs=0.15)
    assert path.enters_once[0]
    assert path.entry[0] == pytest.approx([X, ARCH_MM[1], 4.0], abs=0.1)
    assert path.incidence_cos[0] == pytest.approx(1.0, abs=0.01)
    assert path.ahead_mm[0] == pytest.approx(7.0, abs=0.1)
    assert path.endplate_mm[0] == pytest.approx(8.0, abs=0.1)
    assert path.canal_mm[0] == pytest.approx(X - CANAL_RADIUS_MM, abs=0.1)


@pytest.mark.parametrize("shift", [(3.0, 0.0), (-3.0, 0.0), (0.0, 3.0), (0.0, -3.0)])
def test_a_shift_towards_any_wall_costs_as_much_clearance(shift: tuple[float, float]) -> None:
    dx, dz = shift
    pedicle, _ = _measure([X + dx, 19.0, 4.0 + dz], [X + dx, -8.0, 4.0 + dz])
    assert pedicle.depth_mm[0] == pytest.approx(0.5, abs=0.15)


def test_a_lateral_breach_is_negative() -> None:
    pedicle, _ = _measure([X + 5.0, 19.0, 4.0], [X + 5.0, -8.0, 4.0])
    assert pedicle.depth_mm[0] == pytest.approx(-1.5, abs=0.2)


def test_a_path_through_the_canal_is_negative_there() -> None:
    _, path = _measure([4.0, 19.0, 4.0], [4.0, -8.0, 4.0])
    assert path.canal_mm[0] < -3.0


def test_a_path_beyond_an_endplate_is_negative_there() -> None:
    _, path = _measure([X, 19.0, 4.0], [X, -8.0, 14.0])
    assert path.endplate_mm[0] < -1.0


def test_a_path_that_leaves_bone_between_entry_and_tip_is_not_one_piece() -> None:
    # below the pedicle: arch, then the gap of the foramen, then the body
    _, path = _measure([X, 19.0, -6.0], [X, -8.0, -6.0])
    assert not path.enters_once[0]


def test_a_path_across_the_arch_does_not_count_as_forwards() -> None:
    pedicle, _ = _measure([X, 19.0, 4.0], [X - 10.0, 18.0, 4.0])
    assert not pedicle.sound[0]


def test_the_wall_lies_where_the_vertebra_says() -> None:
    assert float(CORRIDOR.behind_wall(np.array([5.0, WALL_MM + 2.0, 1.0]))) == pytest.approx(2.0)


@given(st.lists(st.tuples(*[st.floats(-2, 2)] * 3), min_size=1, max_size=5))
def test_the_bone_to_be_expected_is_the_mean_over_where_the_pedicle_may_stand(offsets: list[tuple[float, float, float]]) -> None:
    way = np.array([X, 17.0, 4.0]) + np.linspace(0, 5, 7)[:, None] * [0.1, 1.0, -0.1]
    unsure = attrs.evolve(CORRIDOR, offsets_mm=offsets)
    each = [CORRIDOR.least_depth((way - o)[None])[0] for o in np.array(offsets)]
    assert unsure.least_depth(way[None])[0] == pytest.approx(np.mean(each))
    assert unsure.settled.least_depth(way[None])[0] == pytest.approx(unsure.wall_depth(way).min())
    assert np.array_equal(CORRIDOR.wall_depth(way), CORRIDOR.depth(way))
