"""An operator's hand and eye on the page: headless Chromium through Playwright, with the room's newest snapshot at hand."""

import os
from contextlib import contextmanager

import pytest

from benchmarks import chromium
from benchmarks import page as page_of
from installation.console import BROWSERS

SHORT_MS = 30_000
TABLET = {"width": 820, "height": 1180}
NEWEST = "window.addEventListener('pkp:applied', (event) => { window.now = event.detail; });"


@contextmanager
def opened_browser(how=chromium.QUICK):
    """Chromium, behind the room's own processes: the page of a real room is drawn on another machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install -e .[console-test]")
    if chromium.program() is None:
        pytest.skip(f"no Chromium here (looked for {', '.join(BROWSERS)}): apt-get install chromium")
    with playwright.sync_playwright() as driver, chromium.opened(driver, 10, how) as browser:
        yield browser


def signed_in(browser, address, name, size=None):
    """A page of its own session, with the newest snapshot in ``window.now``."""
    return page_of.signed_in(browser, address, name, NEWEST, size)


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
