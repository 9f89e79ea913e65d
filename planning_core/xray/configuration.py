"""Configuration of a plan on X-rays, from a file."""

from __future__ import annotations

from pathlib import Path

from planning_core.configuration import given_in, validated
from planning_core.xray.plan import XrayConfiguration


def load_xray_configuration(path: Path | None) -> XrayConfiguration:
    """Defaults, changed by a JSON file with ``fit``, ``anatomy`` and ``trajectory``.

    Raises:
        ConfigurationError: unreadable, unknown keys or values out of range.
    """
    return validated(XrayConfiguration, given_in(path))
