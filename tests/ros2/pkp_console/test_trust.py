"""What the page shows can be trusted: no green lamp while a stop is latched or nothing is heard; a cut line lets go."""

import os
import signal

import pytest

from tests.ros2.pkp_console.browser import flows_no_more, hold, press, signed_in
from tests.ros2.pkp_console.played import played

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.ros]


@pytest.fixture
def room(web, tmp_path, filled, request):
    """From the phase that the test names."""
    with played(tmp_path, filled, request.param) as made:
        yield made


@pytest.mark.parametrize("room", ["verify"], indirect=True)
def test_the_lamp_is_green_only_while_nothing_is_stopped_and_all_is_heard(room, browser, pictures):
    page = signed_in(browser, room.address, "operator")
    page.goto(f"{room.address}#/align")
    page.wait_for_selector(".lamp.verified")
    page.keyboard.press("Space")
    page.wait_for_selector(".lamp.stopped")
    page.screenshot(path=pictures / "lamp_stopped.png")
    assert page.locator(".lamp.verified").count() == 0
    # the verification itself still says VERIFIED
    assert page.evaluate("window.now.topics.verification.value.state") == 2
    press(page, "stopped.acknowledge")
    press(page, "stopped.check")
    page.wait_for_selector(".out li.met >> nth=1")
    press(page, "stopped.rearm")
    page.wait_for_selector(".lamp.verified")
    room.room.send_signal(signal.SIGSTOP)  # the room falls silent, the page's own link stands
    try:
        page.wait_for_selector(".lamp.stale")
        page.wait_for_selector(".numbers.stale")
        page.wait_for_selector(".alarm.high")
        page.screenshot(path=pictures / "lamp_silent.png")
        assert page.locator(".link.good").count() == 1
    finally:
        room.room.send_signal(signal.SIGCONT)
    assert page.failures == []


@pytest.mark.parametrize("room", ["inject"], indirect=True)
@pytest.mark.parametrize("cut", ["offline", "silent"])
def test_a_cut_line_lets_go_and_greys_what_is_shown(room, browser, pictures, cut):
    page = signed_in(browser, room.address, "operator")
    page.goto(f"{room.address}#/inject")
    page.fill(".arming [name=ml]", "3")
    page.click(".arming [type=submit]:enabled")
    hold(page)
    if cut == "offline":
        page.context.set_offline(True)
    else:
        os.kill(room.console.pid, signal.SIGSTOP)  # nothing is closed, and nothing comes any more
    page.wait_for_selector(".hold[aria-pressed=false]")
    page.wait_for_selector(".link.bad")
    page.wait_for_selector(".numbers.stale")
    page.wait_for_selector(".figure.state.silent")
    page.wait_for_selector(".alarm.high")
    page.wait_for_selector(".hold:disabled")
    page.wait_for_selector(".stop:disabled")
    page.screenshot(path=pictures / f"cut_{cut}.png")
    if cut == "offline":
        page.context.set_offline(False)
    else:
        os.kill(room.console.pid, signal.SIGCONT)
    page.wait_for_selector(".link.good")
    flows_no_more(page)  # with the button still down: a grip that lapsed is over
    given = page.evaluate("window.now.topics.injector.value.delivered_volume")
    page.wait_for_function(
        "n => window.now.topics.injector.count > n + 60", arg=page.evaluate("window.now.topics.injector.count")
    )
    assert page.evaluate("window.now.topics.injector.value.delivered_volume") == given
    page.mouse.up()
    assert page.failures == []
