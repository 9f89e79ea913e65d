"""The page in headless Chromium: sign in, import, name a vertebra, plan, look, move, keep, approve. Pictures are kept."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import chromium
from benchmarks.page import DESK, LONG_MS, PIN
from tests.ros2.pkp_console.browser import SHORT_MS, TABLET, opened_browser

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A small synthetic CT with a broken L1: the file, and a point in that vertebra."""
    import SimpleITK as sitk

    from hardware_sim.patient import FractureSpec, PatientSpec, generate
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.case.exports import as_image

    fracture = FractureSpec(level="L1", kind="wedge", loss=0.35)
    made = generate(PatientSpec(seed=3, fracture=fracture, spacing_mm=(1.5, 1.5, 2.0)))
    place = tmp_path_factory.mktemp("scan") / "ct.nii.gz"
    sitk.WriteImage(as_image(made.hu, made.grid), str(place))
    return place, [float(c) for c in made.centres_lps_mm[VertebraLevel.L1]]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A console in a process of its own, as a user starts it; its users have chosen their PINs."""
    for name in ("fastapi", "argon2"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("console")
    packages = [str(p) for p in (ROOT / "ros2_ws/src").iterdir() if p.is_dir()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *packages])}
    command = [sys.executable, "-m", "pkp_console.command", "--no-ros", "--port", "0", "--cases", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    pins = {}
    try:
        for line in child.stdout:
            if found := re.match(r"  (\w+) +(\d{8})$", line):
                pins[found[1]] = found[2]
            if "http://" in line:
                yield re.search(r"http://\S+", line)[0], pins
                break
    finally:
        child.terminate()
        child.wait(20)


@pytest.fixture
def page():
    with opened_browser(chromium.WHOLE) as browser:
        yield signing_in(browser)


def signing_in(browser):
    page = browser.new_page(viewport=DESK)
    page.set_default_timeout(SHORT_MS)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if "Content Security" in said.text else None)
    return page


def test_from_a_file_to_an_approved_plan(page, address, scan, pictures):
    place, centre = scan
    home, pins = address
    page.goto(home)
    page.fill("[name=name]", "operator")
    page.fill("[name=pin]", pins["operator"])
    page.click("button[type=submit]")
    page.fill("[name=old]", pins["operator"])
    page.fill("[name=new]", PIN)
    page.fill("[name=again]", PIN)
    page.screenshot(path=pictures / "1_pin.png")
    page.click("button[type=submit]")
    page.wait_for_selector(".drop")
    page.set_input_files("input[type=file]", place)
    page.wait_for_selector(".job.done a", timeout=LONG_MS)
    page.screenshot(path=pictures / "2_imported.png")
    page.click(".job.done a")

    page.wait_for_selector(".stage[data-first]", timeout=LONG_MS)
    page.wait_for_selector(".stage[data-ready]", timeout=LONG_MS)
    page.screenshot(path=pictures / "3_unplanned.png")
    page.fill(".where", ", ".join(f"{c:.1f}" for c in centre))
    page.press(".where", "Enter")
    page.select_option("[name=level]", "L1")
    page.check(".replan .check input")
    page.click(".replan .main")
    page.wait_for_selector(".verdict-card", timeout=LONG_MS)
    page.wait_for_selector(".stage[data-judge=ready]", timeout=LONG_MS)
    page.screenshot(path=pictures / "4_plan.png")
    assert page.inner_text(".verdict-card h1") == "L1"
    first = page.get_attribute(".verdict-card .mono", "title")

    page.click("[data-step=PageDown]")  # half a millimetre back: less deep, still safe
    page.wait_for_selector(".tools .main:enabled")
    page.screenshot(path=pictures / "5_moved.png")
    page.click(".tools .main")
    page.wait_for_selector(f".verdict-card .mono:not([title='{first}'])")
    assert page.locator(".revisions li").count() == 2

    page.click(".actions .main")
    page.fill("dialog [name=pin]", PIN)
    page.screenshot(path=pictures / "6_approve.png")
    page.click("dialog .main")
    page.wait_for_selector(".revisions .chip.good")
    page.screenshot(path=pictures / "7_approved.png")
    assert page.is_disabled("button.stop")  # nothing runs that could be stopped, and it says so
    page.set_viewport_size(TABLET)
    page.select_option("header select", "zh")
    page.wait_for_selector(".stage[data-ready]", timeout=LONG_MS)
    page.screenshot(path=pictures / "8_tablet_zh.png")
    assert page.locator("html").bounding_box()["width"] <= 820
    assert page.problems == []
