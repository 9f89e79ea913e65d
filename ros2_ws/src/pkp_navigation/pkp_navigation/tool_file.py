"""A tool as it is written: its markers, the manufacturer's definition where there is one, and how it may move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from pkp_navigation.tool_definition import ToolDefinitionError
from pkp_navigation.tracker_config import ToolConfig
from planning_core.geometry.arrays import FloatArray

TOOLS = Path(__file__).parent / "tools"
"""The project's own: patient_ref, robot_ref (the plate's markers) and probe_tip."""
PATIENT_REF, ROBOT_REF, PROBE_TIP = "patient_ref", "robot_ref", "probe_tip"


class ToolFile(BaseModel):
    """A tool file: JSON.

    ``limits`` are fields of :class:`~pkp_navigation.tracker_config.ToolConfig`; those of robot_ref are wide, since the arm may
    carry it fast and out of view (assumed: 1 m/s), those of probe_tip wider, since a hand does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["openpkp-tool"]
    version: Literal[1]
    name: str
    markers_mm: tuple[tuple[FiniteFloat, FiniteFloat, FiniteFloat], ...] = Field(
        min_length=3, max_length=20, description="sphere centres in the tool's frame"
    )
    rom_file: Path | None = Field(None, description="the manufacturer's, beside this file; made from the markers without one")
    limits: dict[str, float | bool] = Field(default_factory=dict)

    @property
    def markers(self) -> FloatArray:
        """(n, 3) mm in the tool's frame."""
        return np.array(self.markers_mm)


def load_tool(name: str, path: str = "") -> ToolFile:
    """Read a tool file; an empty path means the project's own.

    Raises:
        ToolDefinitionError: unreadable, unknown keys, or another tool's.
    """
    place = Path(path) if path else TOOLS / f"{name}.json"
    try:
        file = ToolFile.model_validate(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ToolDefinitionError(f"{name}: {place.name} cannot be used: {_first(error)}", tool=name) from error
    if file.name != name:
        raise ToolDefinitionError(f"{place.name} is of {file.name}, not of {name}", tool=name)
    if file.rom_file is not None and not file.rom_file.is_absolute():
        file = file.model_copy(update={"rom_file": place.parent / file.rom_file})
    return file


def tool_config(file: ToolFile) -> ToolConfig:
    """What the driver is told of the tool.

    Raises:
        ToolDefinitionError: a limit that does not exist, or out of its range.
    """
    geometry: dict[str, Any] = {"markers_mm": file.markers_mm} if file.rom_file is None else {"rom_file": file.rom_file}
    try:
        return ToolConfig.model_validate({"name": file.name, **geometry, **file.limits})
    except ValidationError as error:
        raise ToolDefinitionError(f"{file.name}: {_first(error)}", tool=file.name) from error


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
