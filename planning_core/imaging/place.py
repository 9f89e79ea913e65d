"""Where an input lies."""

from __future__ import annotations

from pathlib import Path

from planning_core.imaging.refusals import UnreadableFileError


def existing(path: Path) -> Path:
    """The file or folder itself: what a symbolic link is called says nothing of what it leads to.

    Raises:
        UnreadableFileError: nothing is there.
    """
    if not path.exists():
        raise UnreadableFileError("the CT is not there: no such file or folder", reason="not there")
    return path.resolve()
