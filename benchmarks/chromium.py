"""Headless Chromium as the console's benchmark and tests drive it: drawn by the processor, and never before the room's own processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from installation.console import BROWSERS

FLAGS = ("--headless=new", "--no-sandbox", "--enable-unsafe-swiftshader", "--enable-precise-memory-info")
QUICK, WHOLE = ("--disable-gpu",), ("--use-gl=angle", "--use-angle=swiftshader")
"""WebGL by SwiftShader in both. Quick: the page itself is put together without it, which takes a third of the time, and leaves one of
the case view's slices black; whole: it shows what a graphics card would."""


def program() -> str | None:
    """Where it is installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def opened(driver: Any, niceness: int = 0, how: tuple[str, ...] = QUICK) -> Iterator[Any]:
    """A browser of Playwright's ``driver``; ``how``: QUICK or WHOLE.

    Run by root it would raise some of its own processes above all others; that is taken from it.
    """
    found = program()
    if found is None:
        raise FileNotFoundError("no Chromium here: apt-get install chromium")
    held = "setpriv --bounding-set=-sys_nice " if shutil.which("setpriv") else ""
    with TemporaryDirectory() as folder:
        behind = Path(folder) / "chromium"
        behind.write_text(f'#!/bin/sh\nexec {held}nice -n {niceness} {found} "$@"\n')
        behind.chmod(0o700)
        browser = driver.chromium.launch(executable_path=behind, args=[*FLAGS, *how])
        try:
            yield browser
        finally:
            browser.close()
