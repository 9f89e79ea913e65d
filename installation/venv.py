"""The virtual environment that everything runs in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from installation.system import ROOT, apt_install, say, stop

VENV = Path(os.environ.get("OPENPKP_VENV", ROOT / ".venv"))
PYTHON = VENV / "bin/python"
MARKER = "openpkp-installed"
ROOM_MARKER = "openpkp-room"
SUPPORTED = ((3, 11), (3, 12), (3, 13))


def prepare() -> Path:
    """The environment's Python, after installing what is missing. A finished install is marked last: a broken one is redone."""
    marker, wanted = VENV / MARKER, fingerprint()
    if marker.is_file() and marker.read_text() == wanted and PYTHON.exists():
        return PYTHON
    say(f"first start: installing into {VENV} (a minute or two)")
    make_venv(fitting_python())
    install("dependencies", "dev")
    marker.write_text(wanted)
    return PYTHON


def prepare_room() -> Path:
    """The environment's Python with what arm, tracker and injector need on top: planning does without those 400 MB."""
    python, marker, wanted = prepare(), VENV / ROOM_MARKER, fingerprint()
    if marker.is_file() and marker.read_text() == wanted:
        return python
    say("installing what arm, tracker and injector need (once)")
    install("room")
    marker.write_text(wanted)
    return python


def fingerprint() -> str:
    """What an installation depends on: the pins and this script."""
    digest = hashlib.sha256()
    for source in (ROOT / "pyproject.toml", Path(__file__)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def install(*groups: str) -> None:
    """Install groups of pins from pyproject.toml."""
    line = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pinned(*groups)]
    if subprocess.run(line, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
        stop("installation failed; the lines above say why. Nothing half-installed will be used: run ./pkp again")


def pinned(*groups: str) -> list[str]:
    """Pins from pyproject.toml: ``dependencies`` or the name of an extra (tomllib came with 3.11: the environment has it)."""
    script = (
        "import tomllib,sys;p=tomllib.load(open(sys.argv[1],'rb'))['project'];"
        "g={'dependencies':p['dependencies'],**p['optional-dependencies']};"
        "print('\\n'.join(x for n in sys.argv[2:] for x in g[n]))"
    )
    run = subprocess.run(
        [str(PYTHON), "-c", script, str(ROOT / "pyproject.toml"), *groups], capture_output=True, text=True, check=True
    )
    return run.stdout.split("\n")[:-1]


def fitting_python() -> str:
    """This Python where it will do, else another on the PATH."""
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable
    for major, minor in reversed(SUPPORTED):
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return found
    apt_install("python3.11", "python3.11-venv")
    found = shutil.which("python3.11")
    if found is None:
        have = ".".join(map(str, sys.version_info[:3]))
        stop(f"Python 3.11, 3.12 or 3.13 is needed, this is {have}. Install one: sudo apt-get install python3.11 python3.11-venv")
    return str(found)


def make_venv(python: str) -> None:
    """An empty environment; what was there is removed."""
    run = subprocess.run([python, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if run.returncode == 0:
        return
    version = subprocess.run(
        [python, "-c", "import sys;print('%d.%d'%sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if apt_install(f"python{version}-venv"):
        run = subprocess.run([python, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if run.returncode != 0:
        stop(f"no virtual environment could be made; install it with: sudo apt-get install python{version}-venv")
