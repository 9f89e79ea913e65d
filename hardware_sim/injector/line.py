"""The far end of the serial line: a pseudo-terminal under a stable name, that can be pulled out and put back."""

from __future__ import annotations

import os
import pty
import tty
from pathlib import Path


class Line:
    """A raw pseudo-terminal; ``link`` points at the end a driver opens.

    Args:
        link: path of the symbolic link; taken over only where it is a link or absent.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._ends: tuple[int, int] | None = None
        self.plug()

    @property
    def fileno(self) -> int | None:
        """Descriptor to wait on; None while pulled out."""
        return self._ends[0] if self._ends else None

    def plug(self) -> None:
        """Put the line in (nothing where it is in)."""
        if self._ends:
            return
        ours, theirs = pty.openpty()
        for end in (ours, theirs):
            tty.setraw(end)
        os.set_blocking(ours, False)
        self._ends = (ours, theirs)  # their end stays open here, or ours would fail whenever no driver has it open
        spare = self.link.with_name(self.link.name + ".new")
        spare.unlink(missing_ok=True)
        spare.symlink_to(os.ttyname(theirs))
        spare.replace(self.link)

    def pull(self) -> None:
        """Pull the line out: the driver sees the port vanish."""
        if self._ends:
            self.link.unlink(missing_ok=True)
            for end in self._ends:
                os.close(end)
            self._ends = None

    def read(self) -> bytes:
        """What has come, at most 4096 bytes; empty where nothing has."""
        try:
            return os.read(self._ends[0], 4096) if self._ends else b""
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> None:
        """Answer; what a driver does not fetch is lost, as on a wire."""
        try:
            if self._ends and data:
                os.write(self._ends[0], data)
        except OSError:
            pass
