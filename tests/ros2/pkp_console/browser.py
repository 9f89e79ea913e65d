"""An operator's hand and eye on the page: headless Chromium through Playwright, with the room's newest snapshot at hand."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from benchmarks import chromium
from installation.console import BROWSERS

LONG_MS, SHORT_MS = 300_000, 30_000
PIN = "246813"
DESK, TABLET = {"width": 1280, "height": 800}, {"width": 820, "height": 1180}
NEWEST = "window.addEventListener('pkp:applied', (event) => { window.now = event.detail; });"


@contextmanager
def opened_browser(how=chromium.QUICK):
    """Chromium, behind the room's own processes: the page of a real room is drawn on another machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install -e .[console-test]")
    if chromium.program() is None:
        pytest.skip(f"no Chromium here (looked for {', '.join(BROWSERS)}): apt-get install chromium")
    with playwright.sync_playwright() as driver, chromium.opened(driver, 10, how) as browser:
        yield browser


@contextmanager
def child(*words, environment, awaits, merged=False):
    """A module in a process of its own that is ready when it has said a word: (process, that line).

    Args:
        merged: it says that word on its error stream.
    """
    told = subprocess.STDOUT if merged else None
    process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=told, env=environment, text=True)
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if awaits in line:
                break
        assert said, f"{words[0]} said nothing"
        assert awaits in said[-1], "".join(said)
        yield process, said[-1]
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def with_pins(cases, *operators):
    """Operators who have chosen their PINs."""
    from pkp_console.users import PLACE, Role, Users

    users = Users(cases / PLACE)
    for name in operators:
        users.change_pin(name, users.set_one_time(name, Role.OPERATOR), PIN)


def signed_in(browser, address, name, size=None):
    """A page of its own session; what its scripts failed at is in ``failures``."""
    page = browser.new_context(viewport=size or DESK).new_page()
    page.set_default_timeout(LONG_MS)
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("console", lambda said: page.failures.append(said.text) if "Content Security" in said.text else None)
    page.add_init_script(NEWEST)
    page.goto(address)
    page.fill("[name=name]", name)
    page.fill("[name=pin]", PIN)
    page.click("button[type=submit]")
    page.wait_for_selector(".brand")
    return page


def press(page, key):
    """A button of the procedure's panel."""
    page.click(f"[data-key='{key}']:enabled")


def grip(page):
    """Press the hold-to-run button."""
    box = page.locator(".hold:enabled").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()


def hold(page):
    """Press it and wait until the injector says that cement flows."""
    grip(page)
    page.wait_for_selector(".figure.state.injecting")


def flows_no_more(page):
    """The injector holds and the button is let go."""
    page.wait_for_selector(".figure.state.holding")
    assert page.get_attribute(".hold", "aria-pressed") == "false"


def with_path(extra, *folders):
    """This process's environment, with folders to import from."""
    return {**os.environ, **extra, "PYTHONPATH": os.pathsep.join([*map(str, folders), extra.get("PYTHONPATH", "")])}
