"""Whether the table stood still between two pictures, as far as their headers say."""

import shutil

import pydicom
import pytest
from pydicom.dataset import Dataset

from planning_core.xray.refusals import UnreadableXrayError
from planning_core.xray.request import read_together
from planning_core.xray.table import MovedTableError, moved_mm, require_still, table_position
from tests.planning_core.xray.rebuilding import rebuilt, views
from tests.planning_core.xray.shots import make_run, write_shots

PLACE = {
    "TableTopVerticalPosition": 105.0,
    "TableTopLongitudinalPosition": -812.5,
    "TableTopLateralPosition": 3.0,
    "TableHeight": 940.0,
}


def header(**tags):
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def at(frame=0, **tags):
    return table_position(header(**tags), frame)


def test_a_table_that_stayed_or_is_not_stated_is_no_reason():
    require_still(at(**PLACE), at(**PLACE), "ab")
    require_still(at(**PLACE), at(), "ab")
    require_still(at(TableHeight=940.0), at(TableTopVerticalPosition=105.0), "ab")  # each against a zero of its own
    require_still(at(**PLACE), at(**{**PLACE, "TableTopLateralPosition": 3.9}), "ab")


@pytest.mark.parametrize("tag", PLACE)
def test_a_table_that_moved_along_any_way_is_refused_with_the_millimetres(tag):
    with pytest.raises(MovedTableError, match=r"a and c the table moved by 12\.0 mm") as refused:
        require_still(at(**PLACE), at(**{**PLACE, tag: PLACE[tag] - 12.0}), "ac")
    assert refused.value.moved_mm == pytest.approx(12.0)
    assert min(refused.value.along_mm.values()) == pytest.approx(-12.0)
    assert refused.value.pictures == ["a", "c"]
    assert refused.value.code == "moved_table"


def test_little_ways_add_up():
    away = {tag: value + 0.9 for tag, value in PLACE.items()}
    with pytest.raises(MovedTableError) as refused:
        require_still(at(**PLACE), at(**away), "ab")
    assert refused.value.moved_mm == pytest.approx(0.9 * 3**0.5, abs=1e-3)


def test_functional_groups_say_it_too_each_frame_for_itself():
    def group(position):
        return header(TablePositionSequence=[header(TableTopLongitudinalPosition=position)])

    made = header(
        SharedFunctionalGroupsSequence=[header(TablePositionSequence=[header(TableTopLateralPosition=5.0)])],
        PerFrameFunctionalGroupsSequence=[group(-800.0), group(-760.0)],
    )
    assert table_position(made, 1).stated_mm == {"TableTopLongitudinalPosition": -760.0, "TableTopLateralPosition": 5.0}
    with pytest.raises(MovedTableError):
        require_still(table_position(made, 0), table_position(made, 1), "ab")


def test_the_increments_of_the_frames_that_were_chosen_count():
    run = {"SOPInstanceUID": "1.2.3", "TableLongitudinalIncrement": [0.0, 10.0, 25.0]}
    first, last = at(0, **run), at(2, **run)
    assert moved_mm(first, last)["longitudinal"] == pytest.approx(25.0)
    assert moved_mm(first, last) == {"vertical": 0.0, "longitudinal": 25.0, "lateral": 0.0}
    assert moved_mm(at(1, **run), at(0, **{**run, "SOPInstanceUID": "1.2.4"})) == {}  # another run's zero is another
    stated = at(0, SOPInstanceUID="1.2.4", TableTopLongitudinalPosition=-790.0)
    there = at(1, **run, TableTopLongitudinalPosition=-800.0)
    assert moved_mm(stated, there)["longitudinal"] == pytest.approx(0.0)


@pytest.mark.parametrize("value", [[1.0, 2.0], "nan"])
def test_what_is_no_position_is_refused(value):
    with pytest.raises(UnreadableXrayError):
        at(TableHeight=value)


def test_pictures_with_the_table_elsewhere_are_not_read_together(tmp_path):
    paths = write_shots(tmp_path, views(), rebuilt(place=(0.0, 0.0, 0.0)).shape)
    for path, height in zip(paths, (940.0, 925.0), strict=True):
        changed = pydicom.dcmread(path)
        changed.TableHeight = height
        changed.save_as(path)
    with pytest.raises(MovedTableError) as refused:
        read_together(paths)
    assert refused.value.along_mm == {"vertical": -15.0}


def test_a_run_in_which_the_table_moved_gives_no_two_views(tmp_path):
    (path, _) = write_shots(tmp_path, views(), rebuilt(place=(0.0, 0.0, 0.0)).shape)
    make_run(path)
    run = pydicom.dcmread(path)
    run.PositionerPrimaryAngleIncrement, run.TableLongitudinalIncrement = [0.0, 90.0], [0.0, 40.0]
    del run.PatientOrientation
    run.save_as(path)
    again = shutil.copy(path, tmp_path / "again.dcm")
    with pytest.raises(MovedTableError):
        read_together([path, again], [0, 1])
    run.TableLongitudinalIncrement = [0.0, 0.0]
    run.save_as(path)
    shutil.copy(path, again)
    assert len(read_together([path, again], [0, 1])) == 2
