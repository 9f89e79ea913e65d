"""A whole procedure through the page in headless Chromium, in a room that is played by a script: decisions, alignment, injection
with every way to let go, stop and re-arm, and the report of a record. Pictures are kept."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.ros2.pkp_console.test_page import FLAGS, LONG_MS, NAMES, PIN, pictures  # noqa: F401
from tests.ros2.running import ROOT, ros_node

pytestmark = [pytest.mark.slow, pytest.mark.ros]


@contextmanager
def child(*words, environment, awaits):
    process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, env=environment, text=True)
    try:
        yield process, next(line for line in process.stdout if awaits in line)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@pytest.fixture
def room(web, tmp_path, filled):
    """Console and scripted room in processes of their own: (address, the room's process)."""
    from pkp_console.users import PLACE, Role, Users

    cases = tmp_path / "cases"
    case = shutil.copytree(filled, cases / filled.name)
    users = Users(cases / PLACE)
    for name in ("operator", "second"):
        users.change_pin(name, users.set_one_time(name, Role.OPERATOR), PIN)
    with ros_node("looking_on") as (_, extra):
        environment = {**os.environ, **extra, "PYTHONPATH": os.pathsep.join([str(ROOT), extra["PYTHONPATH"]])}
        console = ("pkp_console.command", "--ros", "--port", "0", "--cases", str(cases), "--runs", str(tmp_path / "runs"))
        with (
            child("benchmarks.scripted_room", "--case", str(case), environment=environment, awaits="ready") as (playing, _),
            child(*console, environment=environment, awaits="http://") as (_, line),
        ):
            yield re.search(r"http://\S+", line)[0], playing


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield opened
        opened.close()


def signed_in(browser, address, name):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(LONG_MS)
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.goto(address)
    page.fill("[name=name]", name)
    page.fill("[name=pin]", PIN)
    page.click("button[type=submit]")
    page.wait_for_selector(".brand")
    return page


def press(page, key):
    page.click(f"[data-key='{key}']:enabled")


def hold(page):
    """Press the hold-to-run button and wait until the injector says that cement flows."""
    box = page.locator(".hold:enabled").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_selector(".figure.state.injecting")
    return box


def flows_no_more(page):
    page.wait_for_selector(".figure.state.holding")
    assert page.get_attribute(".hold", "aria-pressed") == "false"


def test_a_whole_procedure(room, browser, pictures, case_id):  # noqa: F811
    address, _ = room
    page = signed_in(browser, address, "operator")
    page.goto(f"{address}#/room")
    press(page, "to.ingest")
    press(page, "goal.ingest")
    press(page, "to.plan")
    press(page, "goal.open_plan")
    press(page, "to.approve")
    page.click("text=/Look at plan .* and approve/")
    page.click("button:has-text('Approve…')")
    page.fill("dialog [name=pin]", PIN)
    page.click("dialog button:has-text('Approve with PIN')")
    page.wait_for_selector(".revisions .chip.good")
    page.goto(f"{address}#/room")
    press(page, "to.register")
    press(page, "goal.register")
    page.wait_for_selector(".good-text:has-text('accepted')")
    page.screenshot(path=str(pictures / "procedure_room.png"))
    press(page, "to.approach")
    press(page, "goal.approach")
    page.wait_for_selector(".task.done")
    press(page, "to.verify")
    page.goto(f"{address}#/align")
    page.wait_for_selector(".lamp.verified")
    page.screenshot(path=str(pictures / "procedure_align.png"))
    press(page, "to.insert")
    press(page, "goal.inserted")
    press(page, "to.inject")
    page.goto(f"{address}#/inject")
    injection(page, pictures)
    stop_and_go_on(page, pictures)
    press(page, "to.withdraw")
    press(page, "goal.withdraw")
    page.wait_for_selector(".task.done")
    assert page.failures == []


def injection(page, pictures):  # noqa: F811
    """Every way of letting go, by what the injector did."""
    page.fill(".arming [name=ml]", "3")
    page.click(".arming [type=submit]:enabled")
    hold(page)
    page.screenshot(path=str(pictures / "procedure_inject.png"))
    page.mouse.up()
    flows_no_more(page)
    hold(page)
    page.mouse.move(20, 400)  # off the button, still down
    flows_no_more(page)
    assert "left" in page.inner_text(".hold-hint")
    page.mouse.up()
    hold(page)
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    flows_no_more(page)
    page.mouse.up()
    hold(page)
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    flows_no_more(page)
    page.mouse.up()
    hold(page)
    page.evaluate("const until = performance.now() + 1500; while (performance.now() < until);")  # the page hangs
    flows_no_more(page)
    page.mouse.up()
    page.focus(".hold")
    page.keyboard.down("Enter")
    page.wait_for_selector(".figure.state.injecting")
    page.keyboard.up("Enter")
    flows_no_more(page)


def stop_and_go_on(page, pictures):  # noqa: F811
    """Space stops while cement flows; out of it by three steps."""
    hold(page)
    page.keyboard.press("Space")
    page.wait_for_selector(".alarm.high")
    page.mouse.up()
    page.wait_for_selector(".hold:disabled")
    page.screenshot(path=str(pictures / "procedure_stop.png"))
    page.click(".alarm.high button")
    page.wait_for_selector(".alarm.high.seen")
    press(page, "stopped.acknowledge")
    press(page, "stopped.check")
    page.wait_for_selector(".out li.met >> nth=1")
    press(page, "stopped.rearm")
    page.wait_for_selector("[data-key='to.withdraw']")


def test_a_second_operator_reads_and_a_silent_supervisor_is_told(room, browser, pictures):  # noqa: F811
    address, playing = room
    page = signed_in(browser, address, "operator")
    page.goto(f"{address}#/room")
    second = signed_in(browser, address, "second")
    second.goto(f"{address}#/room")
    second.wait_for_selector("text=Only the operator who has the console")
    second.wait_for_selector("[data-key='to.ingest']:disabled")
    page.wait_for_selector(".stop:enabled")
    playing.terminate()  # the supervisor is gone with the room
    page.wait_for_selector(".alarm.high")
    page.screenshot(path=str(pictures / "procedure_silent.png"))
    assert page.failures == []
