"""The page in a real browser."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from planning_core.case.report.colours import BODY, PAPER
from planning_core.case.report.page import render
from tests.planning_core.case.report.conftest import NO_WEBGL


@pytest.fixture(scope="module")
def text(subject, plan, drawings):
    return render(subject, plan, drawings).decode()


@pytest.fixture
def page(text, tmp_path):
    place = tmp_path / "report.html"
    place.write_text(text)
    return place


@pytest.fixture
def scene_alone(text, tmp_path):
    """The same page with the scene laid over all the rest."""
    cover = (
        "#space { position: fixed !important; inset: 0; z-index: 9; background: #10161d } #view3d { height: 100vh !important }"
    )
    place = tmp_path / "scene.html"
    place.write_text(text.replace("</head>", f"<style>{cover}</style></head>"))
    return place


def _drawn(picture):
    """Share of the picture that is not background, and of that the share that is yellow like the planned vertebra."""
    paper, body = (np.array(to_rgb(c)) * 255 for c in (PAPER, BODY))
    other = np.abs(picture - paper).max(axis=-1) > 24
    colours = picture[other].astype(float)
    alike = (colours @ body) / np.maximum(np.linalg.norm(colours, axis=1) * np.linalg.norm(body), 1e-6)
    return other.mean(), (alike > 0.99).mean()


def test_the_page_loads_without_a_word_in_the_console_and_draws(browser, page):
    document, console = browser.dom(page)
    assert console == []
    assert re.search(r'id="view3d"[^>]*data-state="drawn"', document)
    assert document.count('type="checkbox"') >= 6  # the parts to switch on and off
    assert "spinal canal" in document


def test_the_turning_picture_has_the_vertebra_in_it(browser, scene_alone):
    share, yellow = _drawn(browser.picture(scene_alone))
    assert share > 0.04
    assert yellow > 0.02


def test_the_still_picture_is_shown_without_webgl(browser, scene_alone):
    share, yellow = _drawn(browser.picture(scene_alone, NO_WEBGL))
    assert share > 0.15
    assert yellow > 0.02


def test_the_still_picture_is_shown_where_scripts_are_off(browser, scene_alone):
    off = re.sub(r"script-src 'sha256-[^']*'", "script-src 'none'", scene_alone.read_text())
    scene_alone.write_text(off)
    share, yellow = _drawn(browser.picture(scene_alone))
    assert share > 0.15
    assert yellow > 0.02


def test_a_script_that_came_in_with_a_text_does_not_run(browser, text, tmp_path):
    place = tmp_path / "hostile.html"
    place.write_text(text.replace("<footer>", "<script>document.title = 'taken over'</script><footer>"))
    document, console = browser.dom(place)
    assert "<title>taken over</title>" not in document
    assert any("Content Security Policy" in line for line in console)
