import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.anatomy.levels import VertebraLevel
from planning_core.xray.click_words import InvalidClickError, read_clicks, read_known
from planning_core.xray.clicks import InvalidClicksError
from planning_core.xray.request import XrayRequest

pixels = st.integers(0, 40_000).map(lambda n: n / 10)
places = st.tuples(pixels, pixels)


@given(st.lists(st.tuples(places, places, places), min_size=2, max_size=5), st.booleans(), st.randoms())
def test_words_are_clicks_in_whatever_order(given_places, three, order):
    names = ("body", "left", "right")[: 3 if three else 1]
    words = [
        f"{'abcde'[n]}:{name}:{row},{column}"
        for n, of_image in enumerate(given_places)
        for name, (row, column) in zip(names, of_image, strict=False)
    ]
    order.shuffle(words)
    clicks = read_clicks(words, len(given_places))
    assert [p.tolist() for p in clicks.pixels] == [[list(p) for p in of_image[: len(names)]] for of_image in given_places]


def test_the_body_needs_no_name_and_no_click_is_no_clicks():
    assert read_clicks(["a:1,2", "b:body:3,4"], 2).pixels[0].tolist() == [[1.0, 2.0]]
    assert read_clicks([], 2) is None


@pytest.mark.parametrize(
    "words",
    [
        ["a:1,2"],  # one image only
        ["a:1,2", "a:1,2", "b:1,2"],  # twice
        ["a:1,2", "c:1,2"],  # no such image
        ["a:front:1,2", "b:front:1,2"],  # not one that the fit takes
        ["a:left:1,2", "b:left:1,2"],  # no body
        ["a:1,2", "a:left:1,2", "b:1,2", "b:left:1,2"],  # one pedicle
        ["a:nan,2", "b:1,2"],
        ["a:1", "b:1,2"],
        ["A:1,2", "b:1,2"],
        ["a:x,2", "b:1,2"],
    ],
)
def test_words_that_do_not_fit_are_refused(words):
    with pytest.raises(InvalidClickError):
        read_clicks(words, 2)


def test_a_vertebra_to_count_from_is_told_from_the_clicks_on_the_one_that_is_planned(tmp_path):
    words = ["a:1,2", "a:L5:10,20.5", "b:3,4", "b:L5:30,40"]
    request = XrayRequest.of([tmp_path / "a", tmp_path / "b"], VertebraLevel.L1, words)
    assert [p.tolist() for p in request.clicks.pixels] == [[[1.0, 2.0]], [[3.0, 4.0]]]
    assert request.known.level is VertebraLevel.L5
    assert {n: p.tolist() for n, p in request.known.pixels.items()} == {0: [10.0, 20.5], 1: [30.0, 40.0]}
    assert read_known([], 2) is None


@pytest.mark.parametrize(
    "words", [["a:L5:1,2", "b:L4:1,2"], ["a:L5:1,2", "a:L5:1,3"], ["a:L5:1,2", "c:L5:1,2"], ["a:L9:1,2", "b:L9:1,2"]]
)
def test_words_that_name_no_one_vertebra_are_refused(words):
    with pytest.raises(InvalidClickError, match="to count from"):
        read_known(words, 2)


def test_one_picture_is_too_few_to_count_from():
    with pytest.raises(InvalidClicksError, match="two are needed"):
        read_known(["a:L5:1,2"], 2)
    with pytest.raises(InvalidClicksError, match="not everybody"):
        read_known(["a:L6:1,2", "b:L6:1,2"], 2)
