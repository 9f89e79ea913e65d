"""A whole procedure through the page in headless Chromium, in a room that is played by a script: decisions, alignment, injection
with every way to let go, stop and re-arm, and the report of a record. Pictures are kept."""

import pytest

from benchmarks.page import PIN
from tests.ros2.pkp_console.browser import flows_no_more, hold, press, signed_in
from tests.ros2.pkp_console.played import played

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.ros]


@pytest.fixture
def room(web, tmp_path, filled):
    with played(tmp_path, filled) as made:
        yield made


def test_a_whole_procedure(room, browser, pictures):
    address = room.address
    page = signed_in(browser, address, "operator")
    page.goto(f"{address}#/room")
    press(page, "to.ingest")
    press(page, "goal.ingest")
    press(page, "to.plan")
    press(page, "goal.open_plan")
    press(page, "to.approve")
    page.click("text=/Look at plan/")
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


def injection(page, pictures):
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


def stop_and_go_on(page, pictures):
    """Space stops while cement flows; out of it by three steps."""
    hold(page)
    page.keyboard.press("Space")
    page.wait_for_selector(".alarm.high")
    page.mouse.up()
    page.wait_for_selector(".hold:disabled:has-text('HOLD TO INJECT')")
    page.screenshot(path=str(pictures / "procedure_stop.png"))
    page.click(".alarm.high button")
    page.wait_for_selector(".alarm.high.seen")
    press(page, "stopped.acknowledge")
    press(page, "stopped.check")
    page.wait_for_selector(".out li.met >> nth=1")
    press(page, "stopped.rearm")
    page.wait_for_selector("[data-key='to.withdraw']")


def test_a_second_operator_reads_and_a_silent_supervisor_is_told(room, browser, pictures):
    address = room.address
    page = signed_in(browser, address, "operator")
    page.goto(f"{address}#/room")
    second = signed_in(browser, address, "second")
    second.goto(f"{address}#/room")
    second.wait_for_selector("text=Only the operator who has the console")
    second.wait_for_selector("[data-key='to.ingest']:disabled")
    page.wait_for_selector(".stop:enabled")
    room.room.terminate()  # the supervisor is gone with the room
    page.wait_for_selector(".alarm.high")
    page.screenshot(path=str(pictures / "procedure_silent.png"))
    assert page.failures == []
