"""The page by keyboard alone, with enough contrast (WCAG 2.2 AA by axe-core), at two sizes, in both languages."""

import json

import pytest

from benchmarks.page import DESK
from tests.ros2.pkp_console.browser import TABLET, signed_in
from tests.ros2.pkp_console.played import played

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.ros]
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
SHOWN = {
    "cases": ".case",
    "room": ".room-stage canvas[data-frames]",
    "align": ".lamp.verified, .lamp.holding",
    "inject": ".arming [type=submit]",
    "report": ".runs",
}
WANTED = """
() => {
  const seen = (e) => e.checkVisibility() && !e.closest("[hidden]");
  const wanted = [...document.querySelectorAll("a[href], button:enabled, select, input, canvas[tabindex], summary")].filter(seen);
  wanted.forEach((e, n) => (e.dataset.tab = String(n)));
  const one = new Map(); // of a group of radio buttons one is reached, the others by arrows
  for (const e of wanted) if (e.type === "radio" && (!one.has(e.name) || e.checked)) one.set(e.name, e);
  return wanted.filter((e) => e.type !== "radio" || one.get(e.name) === e).map((e) => [e.dataset.tab, e.outerHTML.slice(0, 90)]);
}
"""


@pytest.fixture
def room(web, tmp_path, filled):
    with played(tmp_path, filled, "inject") as made:
        yield made


def broken_rules(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options=RULES).response["violations"]
    return [(v["id"], [n["html"][:120] + " " + n["failureSummary"][:200] for n in v["nodes"]]) for v in found]


def out_of_reach(page):
    """What can be clicked and is not reached by the Tab key."""
    wanted = dict(page.evaluate(WANTED))
    page.evaluate("document.activeElement?.blur()")
    for _ in range(2 * len(wanted) + 4):
        page.keyboard.press("Tab")
        wanted.pop(page.evaluate("document.activeElement?.dataset?.tab ?? ''"), None)
    return wanted


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_legible_and_reached_by_keys_at_both_sizes(room, browser, pictures, case_id, language):
    page = signed_in(browser, room.address, "operator")
    page.select_option("header select", language)
    broken, wide, unreached = {}, {}, {}
    for size, name in ((DESK, "desk"), (TABLET, "tablet")):
        page.set_viewport_size(size)
        for view, selector in {**SHOWN, f"case/{case_id}": ".verdict-card"}.items():
            page.goto(f"{room.address}#/{view}")
            page.wait_for_selector(selector, state="attached")
            page.wait_for_function("() => window.now?.topics.phase")
            shot = f"view_{view.split('/')[0]}_{name}_{language}"
            page.screenshot(path=pictures / f"{shot}.png")
            if rules := broken_rules(page):
                broken[shot] = rules
            if (width := page.evaluate("document.documentElement.scrollWidth")) > size["width"]:
                wide[shot] = width
            if missed := out_of_reach(page):
                unreached[shot] = missed
    assert not broken, json.dumps(broken, indent=1)
    assert not wide, wide
    assert not unreached, json.dumps(unreached, indent=1)
    assert page.failures == []
