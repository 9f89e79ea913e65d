"""The cement injector's Modbus register map: the one table that driver, simulated device and document are built from.

It lives on the lowest floor because the driver must not import the simulation, nor the simulation the driver.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, IntEnum, IntFlag
from typing import Literal

import attrs

from planning_core.errors import InputError

MAP_VERSION = 1
UNIT_ID = 1
BAUD = 115200


class RegisterError(InputError):
    """A value that does not fit its register, or words that no register holds. Carries ``register`` and the numbers."""

    code = "register"


class DeviceState(IntEnum):
    """CRTK's four operating states."""

    DISABLED = 0
    ENABLED = 1
    PAUSED = 2
    FAULT = 3


class StateCommand(IntEnum):
    """What a master may ask of the state machine."""

    NONE = 0
    ENABLE = 1
    PAUSE = 2
    DISABLE = 3
    ACKNOWLEDGE = 4


class Fault(IntFlag):
    """Why the device stopped itself; bits stay until acknowledged with the cause gone."""

    VOLUME_LIMIT = 1
    PRESSURE_LIMIT = 2
    FLOW_LIMIT = 4
    LINE_QUIET = 8
    E_STOP = 16
    STALLED = 32
    MEMORY = 64
    EMPTY = 128


class Input(IntFlag):
    """Contacts and outputs as they are now."""

    E_STOP_PRESSED = 1
    VALVE_OPEN = 2
    MOTOR_RUNNING = 4


class Table(Enum):
    """The two Modbus tables in use."""

    INPUT = "input"
    HOLDING = "holding"


Kind = Literal["u16", "i16", "u32"]
_SPAN: dict[str, tuple[int, int]] = {"u16": (0, 0xFFFF), "i16": (-0x8000, 0x7FFF), "u32": (0, 0xFFFFFFFF)}


@attrs.frozen
class Register:
    """One value on the wire.

    Args:
        address: of its first word, counted from 0 as in the telegram. kind: u32 is two words, high word first.
        unit: of the value; ``scale`` units are one count. low, high: accepted values, in that unit.
        access: ``r``, ``rw`` at any time, or ``rw in DISABLED``.
    """

    name: str
    table: Table
    address: int
    kind: Kind
    unit: str
    scale: float
    low: float
    high: float
    access: str
    meaning: str

    @property
    def words(self) -> int:
        """16-bit words it takes."""
        return 2 if self.kind == "u32" else 1

    def encode(self, value: float) -> tuple[int, ...]:
        """A value as words.

        Raises:
            RegisterError: not a number, or outside ``low``–``high``.
        """
        if not (math.isfinite(value) and self.low <= value <= self.high):
            raise RegisterError(
                f"{self.name} of {value} {self.unit} is outside {self.low:g}–{self.high:g}",
                register=self.name,
                value=value,
                low=self.low,
                high=self.high,
            )
        count = round(value / self.scale)
        least, most = _SPAN[self.kind]
        count = min(max(count, least), most)  # rounding alone may overstep by half a count
        return (count >> 16, count & 0xFFFF) if self.kind == "u32" else (count & 0xFFFF,)

    def decode(self, words: Sequence[int]) -> float:
        """Words as a value.

        Raises:
            RegisterError: wrong number of words, not 16-bit words, or a value outside ``low``–``high``.
        """
        if len(words) != self.words or not all(isinstance(w, int) and 0 <= w <= 0xFFFF for w in words):
            raise RegisterError(f"{self.name} takes {self.words} words of 16 bits, got {list(words)!r}", register=self.name)
        count = words[0] << 16 | words[1] if self.kind == "u32" else words[0]
        if self.kind == "i16" and count & 0x8000:
            count -= 0x10000
        value = count * self.scale
        slack = self.scale / 2  # a limit may lie between two counts
        if not self.low - slack <= value <= self.high + slack:
            raise RegisterError(
                f"{self.name} reads {value:g} {self.unit}, outside {self.low:g}–{self.high:g}",
                register=self.name,
                value=value,
                low=self.low,
                high=self.high,
            )
        return value


def _input(name: str, address: int, kind: Kind, unit: str, scale: float, low: float, high: float, meaning: str) -> Register:
    return Register(name, Table.INPUT, address, kind, unit, scale, low, high, "r", meaning)


def _holding(
    name: str, address: int, kind: Kind, unit: str, scale: float, low: float, high: float, access: str, meaning: str
) -> Register:
    return Register(name, Table.HOLDING, address, kind, unit, scale, low, high, access, meaning)


_STOPPED = "rw in DISABLED"
REGISTERS: tuple[Register, ...] = (
    _input("map_version", 0, "u16", "", 1, 0, 0xFFFF, f"of this table: {MAP_VERSION}"),
    _input("serial_number", 1, "u32", "", 1, 0, 0xFFFFFFFF, "of the device"),
    _input("boot_count", 3, "u16", "", 1, 0, 0xFFFF, "starts so far; another number means the device was restarted"),
    _input("state", 4, "u16", "", 1, 0, 3, "0 DISABLED, 1 ENABLED, 2 PAUSED, 3 FAULT"),
    _input("faults", 5, "u16", "", 1, 0, 255, "bits, see below"),
    _input("inputs", 6, "u16", "", 1, 0, 7, "bits: 1 E-stop pressed, 2 valve open, 4 motor running"),
    _input("stop_count", 7, "u16", "", 1, 0, 0xFFFF, "stops so far; the key that the next ENABLE must carry"),
    _input("heartbeat_echo", 8, "u16", "", 1, 0, 0xFFFF, "last heartbeat written"),
    _input("device_beat", 9, "u16", "", 1, 0, 0xFFFF, "control cycles so far, modulo 65536"),
    _input("device_time", 10, "u32", "s", 0.001, 0, 4294967, "since start"),
    _input("displaced", 12, "u32", "ml", 1e-4, 0, 400000, "by the plunger, over the device's life; survives a restart"),
    _input("flow", 14, "i16", "ml/s", 1e-4, -1, 1, "measured plunger rate"),
    _input("pressure", 15, "i16", "kPa", 0.5, -200, 10000, "in the barrel, above ambient"),
    _input("temperature", 16, "i16", "°C", 0.01, 0, 60, "of the barrel"),
    _input("compliance", 17, "u16", "ml/kPa", 1e-8, 0, 6e-4, "of barrel and line, as calibrated"),
    _input("remaining", 18, "u16", "ml", 1e-3, 0, 60, "in the cartridge"),
    _holding("heartbeat", 0, "u16", "", 1, 0, 0xFFFF, "rw", "any other number than last time; feeds the watchdog"),
    _holding("run", 1, "u16", "", 1, 0, 1, "rw", "1: valve open and plunger follows the flow; taken only in ENABLED"),
    _holding("flow_setpoint", 2, "u16", "ml/s", 1e-4, 0, 0.2, "rw", "plunger rate asked for; forward only"),
    _holding("state_command", 3, "u16", "", 1, 0, 4, "rw", "0 none, 1 ENABLE, 2 PAUSE, 3 DISABLE, 4 ACKNOWLEDGE"),
    _holding("arm_key", 4, "u16", "", 1, 0, 0xFFFF, "rw", "written with ENABLE in one telegram; must equal stop_count"),
    _holding("volume_limit", 5, "u32", "ml", 1e-4, 0, 400000, _STOPPED, "displaced may not exceed this"),
    _holding("pressure_limit", 7, "u16", "kPa", 0.5, 10, 5000, _STOPPED, "in the barrel"),
    _holding("flow_limit", 8, "u16", "ml/s", 1e-4, 0.001, 0.2, _STOPPED, "of the measured plunger rate"),
    _holding("watchdog", 9, "u16", "s", 0.001, 0.05, 1.0, _STOPPED, "longest silence of the master while enabled"),
)
BY_NAME: dict[str, Register] = {r.name: r for r in REGISTERS}
INPUTS = tuple(r for r in REGISTERS if r.table is Table.INPUT)
HOLDINGS = tuple(r for r in REGISTERS if r.table is Table.HOLDING)
INPUT_WORDS = INPUTS[-1].address + INPUTS[-1].words
HOLDING_WORDS = HOLDINGS[-1].address + HOLDINGS[-1].words
CONTROL_BLOCK = ("heartbeat", "run", "flow_setpoint")
COMMAND_BLOCK = ("state_command", "arm_key")
LIMIT_BLOCK = ("volume_limit", "pressure_limit", "flow_limit", "watchdog")


def pack(names: Sequence[str], values: Sequence[float]) -> tuple[int, list[int]]:
    """Address of the first and words of all of neighbouring registers."""
    words = [w for name, value in zip(names, values, strict=True) for w in BY_NAME[name].encode(value)]
    return BY_NAME[names[0]].address, words


def unpack(table: Table, start: int, words: Sequence[int]) -> dict[str, float]:
    """Every register that lies wholly inside a run of words.

    Raises:
        RegisterError: a value outside its range.
    """
    found = {}
    for r in REGISTERS:
        if r.table is table and start <= r.address and r.address + r.words <= start + len(words):
            found[r.name] = r.decode(list(words[r.address - start : r.address - start + r.words]))
    return found


def as_markdown() -> str:
    """The table of docs/devices/injector.md."""
    lines = []
    for table in Table:
        lines += [
            f"### {table.value.capitalize()} registers",
            "",
            "| address | name | type | unit | one count | range | access | meaning |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for r in (r for r in REGISTERS if r.table is table):
            span = f"{r.low:g} … {r.high:g}"
            lines.append(
                f"| {r.address} | `{r.name}` | {r.kind} | {r.unit or '–'} | {r.scale:g} | {span} | {r.access} | {r.meaning} |"
            )
        lines.append("")
    lines += ["### Fault bits", "", "| bit | fault |", "|---|---|"]
    lines += [f"| {f.value} | {f.name} |" for f in Fault]
    return "\n".join(lines) + "\n"
