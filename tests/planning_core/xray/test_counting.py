import numpy as np
import pytest

from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.xray.atlas.atlas import load_bone_atlas
from planning_core.xray.clicks import InvalidClicksError
from planning_core.xray.counting import KnownVertebra, count, way_mm
from planning_core.xray.geometry import PinholeView
from planning_core.xray.reconstruction import body_middle
from tests.planning_core.xray.rebuilding import rebuilt

L1, L4, L5, T11 = (VertebraLevel(name) for name in ("L1", "L4", "L5", "T11"))
HABIT = load_bone_atlas().spine


def views():
    """Tall enough for some vertebrae."""
    return [
        PinholeView.isocentric(a, 0.0, 1020.0, 640.0, (900, 300), (1.0, 1.0), isocentre_mm=(10.0, 20.0, 30.0))
        for a in (0.0, 90.0)
    ]


def shown(found, level, mm_to_the_feet, some):
    """A vertebra so far from a rebuilt one, as each view shows it."""
    middle = body_middle(found.shape.model, found.shape.vertices)
    place = middle - mm_to_the_feet * found.shape.pose.rotation[:, 2]
    return KnownVertebra(level, dict(enumerate(view.project(place) for view in some)))


@pytest.mark.parametrize("known", [L4, T11])
def test_from_where_the_known_one_is_usual_the_level_is_counted_right(known):
    found, some = rebuilt(), views()
    counted = count(found, shown(found, known, way_mm(HABIT, L1, known), some), some, HABIT)
    assert counted.nearest is L1
    assert counted.doubt == ""
    assert f"counted from {known.value}" in counted.reason
    assert f"to the {'feet' if known is L4 else 'head'}" in counted.reason


@pytest.mark.parametrize("really", ["T12", "L2"])
def test_the_neighbour_under_the_wanted_ones_name_is_a_doubt_by_its_own_name(really):
    found, some = rebuilt(), views()
    known = shown(found, L4, way_mm(HABIT, VertebraLevel(really), L4), some)
    doubt = count(found, known, some, HABIT).doubt
    assert f"counted from there it is {really}" in doubt
    assert "not L1" in doubt


def test_between_two_levels_it_is_neither():
    found, some = rebuilt(), views()
    ways = [way_mm(HABIT, level, L4) for level in (L1, VertebraLevel.L2)]
    known = shown(found, L4, 0.55 * ways[0] + 0.45 * ways[1], some)
    assert "between two levels" in count(found, known, some, HABIT).doubt


def test_the_other_way_round_is_a_doubt():
    found, some = rebuilt(), views()
    known = shown(found, VertebraLevel.L2, -way_mm(HABIT, L1, VertebraLevel.L2), some)
    assert count(found, known, some, HABIT).doubt


@pytest.mark.parametrize("known", ["L1", "T2"])
def test_it_is_counted_from_another_vertebra_that_is_not_too_far(known):
    found, some = rebuilt(), views()
    with pytest.raises(InvalidClicksError, match="is not counted from"):
        shown(found, VertebraLevel(known), 10.0, some).check(L1, some)


def test_a_click_beside_the_picture_is_refused():
    with pytest.raises(InvalidClicksError, match="outside the pictures \\[1\\]"):
        KnownVertebra(L4, {0: (10.0, 10.0), 1: (10.0, 4000.0)}).check(L1, views())


def test_the_way_grows_from_level_to_level():
    ways = [way_mm(HABIT, L1, level) for level in USUAL_LEVELS]
    assert (np.diff(ways) > 15).all()
    assert ways[USUAL_LEVELS.index(L1)] == 0.0
