"""All configuration of a plan in one validated, frozen object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planning_core.anatomy.config import AnatomyConfig
from planning_core.cement.config import CementConfig
from planning_core.cement.products import find_product
from planning_core.errors import InputError
from planning_core.imaging.config import ImagingConfig
from planning_core.trajectory.config import TrajectoryConfig

Kind = TypeVar("Kind", bound=BaseModel)


class ConfigurationError(InputError):
    """A configuration that does not validate. Carries ``problems``."""

    code = "configuration"


class Configuration(BaseModel):
    """Imaging, anatomy, cement and trajectory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    imaging: ImagingConfig = Field(default_factory=ImagingConfig)
    anatomy: AnatomyConfig = Field(default_factory=AnatomyConfig)
    cement: CementConfig = Field(default_factory=CementConfig)
    trajectory: TrajectoryConfig = Field(default_factory=TrajectoryConfig)


def load_configuration(path: Path | None, product: str | None = None) -> Configuration:
    """Defaults, changed by a JSON file and by the product named on the command line.

    Raises:
        ConfigurationError: unreadable, unknown keys or values out of range. UnknownProductError: no such cement.
    """
    given = given_in(path)
    cement = given.get("cement", {}) if isinstance(given, dict) else None
    if product is not None and isinstance(cement, dict):  # what is no object is refused below, by its name
        given = {**given, "cement": {**cement, "product": product}}
    configuration = validated(Configuration, given)
    find_product(configuration.cement.product)
    return configuration


def given_in(path: Path | None) -> Any:
    """What a JSON file gives; nothing without one.

    Raises:
        ConfigurationError: unreadable.
    """
    if path is None:
        return {}
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path.name} is no readable JSON: {error}", problems=[str(error)]) from error


def validated(kind: type[Kind], given: Any) -> Kind:
    """A configuration of one kind: its defaults, changed by what is given.

    Raises:
        ConfigurationError: unknown keys or values out of range.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError(f"configuration refused: {'; '.join(problems)}", problems=problems) from error
