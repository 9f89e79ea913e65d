"""What every step of setting up shares: where things lie, words to the user, system packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
SETUP_STATUS = 65


def stop(message: str) -> NoReturn:
    """End with a sentence that says what to do."""
    print(f"pkp: {message}", file=sys.stderr)
    raise SystemExit(SETUP_STATUS)


def say(message: str) -> None:
    """Tell the user; standard output stays clean."""
    print(f"pkp: {message}", file=sys.stderr, flush=True)


def apt_install(*packages: str) -> bool:
    """Install Debian packages when root; otherwise name the line that does."""
    line = f"apt-get install -y {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        say(f"missing system packages: sudo {line}")
        return False
    say(line)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update"], env=environment, **quiet)
    return subprocess.run(["apt-get", "install", "-y", *packages], env=environment, **quiet).returncode == 0
