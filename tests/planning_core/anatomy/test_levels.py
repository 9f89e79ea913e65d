import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.anatomy.levels import UnknownLevelError, VertebraLevel

levels = st.sampled_from(list(VertebraLevel))


@given(levels)
def test_verse_ids_lead_back_to_their_level(level):
    assert VertebraLevel.from_verse_id(level.verse_id) is level


@given(levels)
def test_totalsegmentator_ids_lead_back_where_there_is_one(level):
    number = level.totalsegmentator_id
    assert (number is None) == (level.value in ("T13", "L6"))
    if number is not None:
        assert VertebraLevel.from_totalsegmentator_id(number) is level


def test_the_ids_are_those_of_the_data_sets():
    assert [VertebraLevel(n).verse_id for n in ("T1", "T12", "L1", "L5", "L6", "T13")] == [8, 19, 20, 24, 25, 28]
    assert [VertebraLevel(n).totalsegmentator_id for n in ("T1", "T12", "L1", "L5")] == [43, 32, 31, 27]


@pytest.mark.parametrize("text", ["l1", " L1 ", "Th12"])
def test_names_are_read_as_people_write_them(text):
    assert VertebraLevel.parse(text).value in ("L1", "T12")


@pytest.mark.parametrize("text", ["", "L9", "C7", "20", "S1"])
def test_other_names_are_refused(text):
    with pytest.raises(UnknownLevelError) as caught:
        VertebraLevel.parse(text)
    assert caught.value.given == text
