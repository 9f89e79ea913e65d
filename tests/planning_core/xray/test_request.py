import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.configuration import ConfigurationError
from planning_core.xray.configuration import load_xray_configuration
from planning_core.xray.request import InvalidClickError, XrayLevelNotGivenError, XrayRequest, read_clicks

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


def test_a_level_is_named_by_somebody(tmp_path):
    with pytest.raises(XrayLevelNotGivenError):
        XrayRequest.of([tmp_path / "a.dcm"], None)


def test_configuration_comes_from_a_file_or_is_refused(tmp_path):
    place = tmp_path / "c.json"
    place.write_text(json.dumps({"trajectory": {"wanted_clearance_mm": 2.0}}))
    assert load_xray_configuration(place).trajectory.wanted_clearance_mm == 2.0
    assert load_xray_configuration(None).trajectory.wanted_clearance_mm == 1.0
    for content in ("{", json.dumps({"cement": {}}), json.dumps({"trajectory": {"seed": -1}})):
        place.write_text(content)
        with pytest.raises(ConfigurationError):
            load_xray_configuration(place)
