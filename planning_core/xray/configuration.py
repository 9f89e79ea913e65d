"""Configuration of a plan on X-rays, from a file."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from planning_core.configuration import ConfigurationError
from planning_core.xray.plan import XrayConfiguration


def load_xray_configuration(path: Path | None) -> XrayConfiguration:
    """Defaults, changed by a JSON file with ``fit``, ``anatomy`` and ``trajectory``.

    Raises:
        ConfigurationError: unreadable, unknown keys or values out of range.
    """
    if path is None:
        return XrayConfiguration()
    try:
        return XrayConfiguration.model_validate(json.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigurationError(f"{path.name} is no readable JSON: {error}", problems=[str(error)]) from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError(f"configuration refused: {'; '.join(problems)}", problems=problems) from error
