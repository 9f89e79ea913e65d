"""The console and a user of its page, as its benchmark and its tests have them: a process, people with PINs, a session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PIN = "246813"
LONG_MS = 300_000
DESK = {"width": 1280, "height": 800}


@contextmanager
def child(
    *words: str, environment: dict[str, str], awaits: str, merged: bool = False
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A module in a process of its own that is ready when it has said a word: (process, that line). Ended by its own id.

    Args:
        merged: it says that word on its error stream.

    Raises:
        RuntimeError: it ended before, with what it said.
    """
    told = subprocess.STDOUT if merged else None
    process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=told, env=environment, text=True)
    said: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if awaits in line:
                break
        else:
            raise RuntimeError(f"{words[0]} ended before it was ready: {''.join(said)}")
        yield process, said[-1]
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def with_pins(cases: Path, role: str, *names: str) -> None:
    """People of one role who have chosen their PINs."""
    from pkp_console.users import PLACE, Role, UserExistsError, Users

    users = Users(cases / PLACE)
    for name in names:
        try:
            pin = users.set_one_time(name, Role(role))
        except UserExistsError:  # a store that was copied with its people
            pin = users.set_one_time(name)
        users.change_pin(name, pin, PIN)


def signed_in(browser: Any, address: str, name: str, script: str = "", size: dict[str, int] | None = None) -> Any:
    """A page of its own session; what its scripts failed at is in ``failures``.

    Args:
        script: runs before the page's own. size: width and height of its window.
    """
    page = browser.new_context(viewport=size or DESK).new_page()
    page.set_default_timeout(LONG_MS)
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("console", lambda said: page.failures.append(said.text) if "Content Security" in said.text else None)
    if script:
        page.add_init_script(script)
    page.goto(address)
    page.fill("[name=name]", name)
    page.fill("[name=pin]", PIN)
    page.click("button[type=submit]")
    page.wait_for_selector(".brand")
    return page
