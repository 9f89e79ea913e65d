"""Headless Chromium, where there is one: what a page logs, what becomes of its elements, what it looks like."""

import io
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-gpu", "--disable-3d-apis")
SIZE = (900, 600)
PROBE = """<canvas id=c></canvas><script>
if (document.getElementById("c").getContext("webgl2")) document.title = "can draw";
</script>"""
DRIVERS_OWN = "GL Driver Message"
"""The software driver's remarks on speed are no errors of the page."""


class Browser:
    """One way of starting Chromium, each time with a profile of its own."""

    def __init__(self, program, folder):
        self._program, self._folder = program, folder

    def _run(self, page, flags, action):
        profile = self._folder / "profile"
        command = [self._program, "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={profile}"]
        command += [*flags, action, f"--window-size={SIZE[0]},{SIZE[1]}", "--virtual-time-budget=5000"]
        command += ["--enable-logging=stderr", page.as_uri()]
        return subprocess.run(command, capture_output=True, timeout=120, check=True)

    def dom(self, page, flags=WEBGL):
        """The document after its scripts ran, and what the console said."""
        run = self._run(page, flags, "--dump-dom")
        console = re.findall(r":CONSOLE[:(].*", run.stderr.decode(errors="replace"))
        return run.stdout.decode(), [line for line in console if DRIVERS_OWN not in line]

    def picture(self, page, flags=WEBGL):
        """(height, width, 3) uint8."""
        place = self._folder / "shot.png"
        self._run(page, flags, f"--screenshot={place}")
        return np.array(Image.open(io.BytesIO(place.read_bytes())).convert("RGB"))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Path of a Chromium that opens local files and draws in 3D by software."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium here (looked for {', '.join(NAMES)})")
    folder = tmp_path_factory.mktemp("probe")
    page = folder / "probe.html"
    page.write_text(PROBE)
    try:
        seen, _ = Browser(program, folder).dom(page)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"{program} does not start: {error}")
    if "<title>can draw</title>" not in seen:
        pytest.skip(f"{program} opens no local file or has no WebGL")
    return program


@pytest.fixture
def browser(chromium, tmp_path):
    return Browser(chromium, tmp_path)
