"""What became of alarms, written down: one audit chain for each start of the console."""

from __future__ import annotations

import datetime
import logging
from pathlib import Path
from typing import Any

from planning_core.case import audit
from planning_core.errors import PkpError

log = logging.getLogger(__name__)


class AlarmLog:
    """A chain in a folder of its own below ``folder``; a disk that fails is told to the console's own log and stops nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S-%fZ")

    def note(self, event: str, facts: dict[str, Any]) -> None:
        """One line."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            audit.record(self._folder, event, **facts)
        except (PkpError, OSError) as error:
            log.error("an alarm could not be written down: %s", error)
