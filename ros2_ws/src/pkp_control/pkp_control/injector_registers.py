"""What a driver reads from the injector and writes to it, as values with units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from planning_core.devices.injector_map import (
    INPUT_WORDS,
    LIMIT_BLOCK,
    MAP_VERSION,
    DeviceState,
    Fault,
    Input,
    RegisterError,
    Table,
    pack,
    unpack,
)


@attrs.frozen
class InjectorReading:
    """One look at the device.

    Args:
        acquired_s: when the question was sent, on the driver's monotonic clock; the values are no older.
        device_s: device time since its start, s. displaced_ml: plunger counter over the device's life.
        flow_ml_s: measured plunger rate. pressure_kpa: in the barrel. temperature_c: of the barrel.
        compliance_ml_per_kpa: of barrel and line, as calibrated.
    """

    acquired_s: float
    device_s: float
    device_beat: int
    heartbeat_echo: int
    serial_number: int
    boot_count: int
    stop_count: int
    state: DeviceState
    faults: Fault
    inputs: Input
    displaced_ml: float
    flow_ml_s: float
    pressure_kpa: float
    temperature_c: float
    compliance_ml_per_kpa: float
    remaining_ml: float

    @property
    def given_ml(self) -> float:
        """Plunger counter less what barrel and line hold under pressure: what has left, up to a constant."""
        return self.displaced_ml - self.compliance_ml_per_kpa * max(0.0, self.pressure_kpa)


@attrs.frozen
class InjectorLimits:
    """What the device keeps by itself.

    Args:
        displaced_ml: the counter may not pass this. pressure_kpa, flow_ml_s: highest measured. watchdog_s: longest silence.
    """

    displaced_ml: float
    pressure_kpa: float
    flow_ml_s: float
    watchdog_s: float

    def words(self) -> tuple[int, list[int]]:
        """Address and words of one telegram.

        Raises:
            RegisterError: a limit outside what the device takes.
        """
        return pack(LIMIT_BLOCK, (self.displaced_ml, self.pressure_kpa, self.flow_ml_s, self.watchdog_s))


def read_input(words: Sequence[int], acquired_s: float) -> InjectorReading:
    """All input registers as a reading.

    Raises:
        RegisterError: wrong number of words, another map version, a value out of range, or time that is no number.
    """
    if len(words) != INPUT_WORDS or not math.isfinite(acquired_s):
        raise RegisterError(f"{len(words)} words read at {acquired_s}, expected {INPUT_WORDS}", register="all", words=len(words))
    v = unpack(Table.INPUT, 0, words)
    if v["map_version"] != MAP_VERSION:
        raise RegisterError(
            f"device speaks register map {v['map_version']:g}, this driver {MAP_VERSION}",
            register="map_version",
            value=v["map_version"],
        )
    return InjectorReading(
        acquired_s,
        v["device_time"],
        int(v["device_beat"]),
        int(v["heartbeat_echo"]),
        int(v["serial_number"]),
        int(v["boot_count"]),
        int(v["stop_count"]),
        DeviceState(int(v["state"])),
        Fault(int(v["faults"])),
        Input(int(v["inputs"])),
        v["displaced"],
        v["flow"],
        v["pressure"],
        v["temperature"],
        v["compliance"],
        v["remaining"],
    )
