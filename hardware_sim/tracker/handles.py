"""Port handles: the device's slots for tools, their life from request to tracking."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from hardware_sim.tracker.faults import Faults
from hardware_sim.tracker.measurement import Observation
from hardware_sim.tracker.pose_fit import MISSING, ToolMeasurement, fit_tool, same_geometry
from hardware_sim.tracker.scene import SceneProvider
from hardware_sim.tracker.tool_definition import ToolDefinition, parse_rom
from hardware_sim.tracker.wire import (
    HANDLE_NOT_ALLOCATED,
    HANDLES_FULL,
    NOT_INITIALISED_HANDLE,
    OUT_OF_RANGE,
    DeviceError,
)

MEMORY_SIZE = 1024
WRITE_SIZE = 64
MOST_HANDLES = 15

OCCUPIED = 0x01
INITIALISED = 0x10
ENABLED = 0x20
OUT_OF_VOLUME = 0x40
PARTIALLY_OUT = 0x80


@attrs.define(eq=False)
class PortHandle:
    """One slot; ``definition`` is set by PINIT, ``priority`` by PENA."""

    number: int
    memory: bytearray = attrs.field(factory=lambda: bytearray(MEMORY_SIZE))
    definition: ToolDefinition | None = None
    body: str | None = None
    priority: str | None = None

    @property
    def status(self) -> int:
        """NDI's port status bits: occupied, initialised, enabled."""
        initialised = INITIALISED if self.definition is not None else 0
        return OCCUPIED | initialised | (ENABLED if self.priority else 0)


class HandleTable:
    """All port handles of the device.

    Args:
        scene: whose bodies the uploaded tool files are matched against by geometry.
    """

    def __init__(self, scene: SceneProvider) -> None:
        self._scene = scene
        self._handles: dict[int, PortHandle] = {}

    def __iter__(self) -> Iterator[PortHandle]:
        return iter(self._handles.values())

    def clear(self) -> None:
        """Free every handle (INIT, RESET)."""
        self._handles.clear()

    def request(self) -> PortHandle:
        """A new handle.

        Raises:
            DeviceError: all are taken.
        """
        free = [number for number in range(1, MOST_HANDLES + 1) if number not in self._handles]
        if not free:
            raise DeviceError(f"all {MOST_HANDLES} handles are taken", number=HANDLES_FULL)
        self._handles[free[0]] = PortHandle(free[0])
        return self._handles[free[0]]

    def get(self, number: int) -> PortHandle:
        """The handle of that number.

        Raises:
            DeviceError: it was never requested.
        """
        if number not in self._handles:
            raise DeviceError(f"handle {number:02X} is not allocated", number=HANDLE_NOT_ALLOCATED)
        return self._handles[number]

    def free(self, number: int) -> None:
        """Give a handle back."""
        del self._handles[self.get(number).number]

    def write(self, number: int, address: int, data: bytes) -> None:
        """Write 64 bytes of tool file.

        Raises:
            DeviceError: beyond the 1024 bytes, or not 64.
        """
        handle = self.get(number)
        if len(data) != WRITE_SIZE or address + WRITE_SIZE > MEMORY_SIZE:
            raise DeviceError(f"{len(data)} bytes at {address}: 64 within {MEMORY_SIZE} are possible", number=OUT_OF_RANGE)
        handle.memory[address : address + WRITE_SIZE] = data
        handle.definition, handle.body, handle.priority = None, None, None

    def initialise(self, number: int) -> None:
        """Read the tool file and find the body it describes; a body that is not in the room stays missing.

        Raises:
            DeviceError: the tool file is not valid.
        """
        handle = self.get(number)
        definition = parse_rom(bytes(handle.memory))
        bodies = [name for name, tool in self._scene.tools.items() if same_geometry(definition, tool)]
        handle.definition, handle.body = definition, bodies[0] if len(bodies) == 1 else None

    def enable(self, number: int, priority: str) -> None:
        """Track the tool from now on.

        Raises:
            DeviceError: it is not initialised.
        """
        handle = self.get(number)
        if handle.definition is None:
            raise DeviceError(f"handle {number:02X} is not initialised", number=NOT_INITIALISED_HANDLE)
        handle.priority = priority

    def disable(self, number: int) -> None:
        """Stop tracking the tool."""
        self.get(number).priority = None

    def measure(self, observation: Observation, faults: Faults) -> dict[int, ToolMeasurement]:
        """What is reported of each enabled handle."""
        result = {}
        for handle in self._handles.values():
            if handle.priority is None or handle.definition is None:
                continue
            view = None if handle.body is None else observation.tools.get(handle.body)
            result[handle.number] = MISSING if view is None else fit_tool(handle.definition, view)
        if faults.swapped:
            by_body = {handle.body: handle.number for handle in self._handles.values() if handle.number in result}
            numbers = [by_body[name] for name in faults.swapped if name in by_body]
            if len(numbers) == 2:
                first, second = numbers
                result[first], result[second] = result[second], result[first]
        return result
