"""The page of X-ray cases in headless Chromium: point by mouse and keyboard, see the lines over the bone. Pictures are kept."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.page import LONG_MS, with_pins
from tests.planning_core.xray.rebuilding import clicks_on, rebuilt, views
from tests.planning_core.xray.shots import make_run, write_shots
from tests.ros2.pkp_console.browser import opened_browser, signed_in

ROOT = Path(__file__).resolve().parents[3]
FOUND = rebuilt(place=(0.0, 0.0, 0.0))
PAIR = views()
pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def cases(tmp_path):
    for name in ("fastapi", "argon2"):
        pytest.importorskip(name)
    folder = tmp_path / "cases"
    with_pins(folder, "operator", "operator")
    return folder


@pytest.fixture
def address(cases):
    packages = [str(p) for p in (ROOT / "ros2_ws/src").iterdir() if p.is_dir()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *packages])}
    command = [sys.executable, "-m", "pkp_console.command", "--no-ros", "--port", "0", "--cases", str(cases)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        yield next(found[0] for line in child.stdout if (found := re.search(r"http://\S+", line)))
    finally:
        child.terminate()
        child.wait(20)


def test_choosing_a_frame_of_a_run(address, tmp_path, pictures):
    shots = write_shots(tmp_path, PAIR, FOUND.shape)
    make_run(shots[1])
    with opened_browser() as browser:
        page = signed_in(browser, address, "operator")
        page.wait_for_selector(".drop")
        page.set_input_files("input[accept]", shots)
        page.wait_for_selector(".run img", timeout=LONG_MS)
        assert "frame 1 of 0–1" in page.locator(".run figcaption").inner_text()
        with page.expect_response("**/frames/b/0"):
            page.locator(".run input").focus()
            page.keyboard.press("ArrowLeft")
        page.wait_for_function("document.querySelector('.run img').naturalWidth == 288")
        page.screenshot(path=pictures / "xray_0_run.png")
        page.click(".runs button")
        page.wait_for_selector(".job.done a[href*=xray]", timeout=LONG_MS)
        assert page.failures == []


def test_pointing_planning_and_comparing(cases, address, tmp_path, pictures, monkeypatch):
    from pkp_console.xray_work import XrayPlanJob, plan_xrays

    import planning_core.xray.fit

    shots = write_shots(tmp_path, PAIR, FOUND.shape)
    with opened_browser() as browser:
        page = signed_in(browser, address, "operator")
        page.wait_for_selector(".drop")
        page.set_input_files("input[accept]", shots)
        page.wait_for_selector(".job.done a[href*=xray]", timeout=LONG_MS)
        page.click(".job.done a")
        page.wait_for_selector(".shot image")
        assert page.locator(".shot").count() == 2

        box = page.locator(".shot").first.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # the middle of the picture
        hint = page.locator("figcaption .num").first
        assert re.search(r"14[34]\.\d, 14[34]\.\d", hint.inner_text()), hint.inner_text()
        page.locator(".shot").nth(1).focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+ArrowLeft")
        assert "145.0, 134.0" in page.locator("figcaption .num").nth(1).inner_text()
        page.check("input[value=left]")
        page.keyboard.press("Tab")
        assert page.locator(".shot .click").count() == 4  # two crosses, two letters
        page.screenshot(path=pictures / "xray_1_pointed.png")
        page.click("button.main")  # no level named
        page.wait_for_selector(".said.bad")

        monkeypatch.setattr(planning_core.xray.fit, "reconstruct", lambda *asked: FOUND, raising=False)
        (case,) = (p for p in cases.iterdir() if p.name.startswith("case-"))
        words = tuple(f"{n}:{r:.1f},{c:.1f}" for n, ((r, c), *_) in zip("ab", clicks_on(FOUND, PAIR).pixels, strict=True))
        plan_xrays(XrayPlanJob(str(case), "L1", words, "operator"), lambda stage: None)
        page.reload()
        page.wait_for_selector(".shot polyline.path")
        assert page.locator(".shot polyline.path").count() == 4
        assert page.locator(".outcome .verdict.review").count() == 1
        page.click("button[aria-pressed]")
        page.screenshot(path=pictures / "xray_2_plan.png", full_page=True)
        page.select_option("header select", "zh")
        page.wait_for_selector(".shot polyline.path")
        page.screenshot(path=pictures / "xray_3_chinese.png", full_page=True)
        assert page.failures == []
