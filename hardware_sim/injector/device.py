"""The injector's firmware: registers, state machine and the limits it keeps without being asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

from hardware_sim.injector.mechanism import Mechanism, Sensed
from hardware_sim.injector.memory import Memory, MemoryCorruptError, Remembered
from hardware_sim.injector.spec import InjectorSpec
from planning_core.devices.injector_map import (
    BY_NAME,
    HOLDING_WORDS,
    HOLDINGS,
    INPUT_WORDS,
    INPUTS,
    LIMIT_BLOCK,
    MAP_VERSION,
    DeviceState,
    Fault,
    Input,
    RegisterError,
    StateCommand,
    Table,
    unpack,
)
from planning_core.errors import PkpError

CYCLE_S = 0.005


class RefusedError(PkpError):
    """A telegram the device does not obey. Carries ``exception``, Modbus's number for it."""

    code = "refused"

    def __init__(self, message: str, exception: Literal[2, 3, 4]) -> None:
        super().__init__(message, exception=exception)


class InjectorDevice:
    """One injector. A telegram is obeyed whole or not at all; every stop closes the valve and drops run and flow.

    Args:
        memory: what survives a restart. speed: device seconds per second of the line (only the watchdog minds).
    """

    def __init__(self, spec: InjectorSpec, seed: int, memory: Memory, speed: float = 1.0) -> None:
        self.spec = spec
        self._memory = memory
        self._speed = speed
        self.state = DeviceState.DISABLED
        self.faults = Fault(0)
        try:
            kept = memory.load()
        except MemoryCorruptError:
            kept = Remembered()
            self._fail(Fault.MEMORY)
        self._before_ml, self._boots, self._stops = kept.displaced_ml, (kept.boots + 1) & 0xFFFF, (kept.stops + 1) & 0xFFFF
        self.mechanism = Mechanism(spec, seed, kept.pressure_kpa, kept.delivered_ml)
        self.e_stop = False
        self._holding: dict[str, float] = {r.name: max(r.low, 0.0) for r in HOLDINGS}
        self._holding |= {"pressure_limit": 3000.0, "flow_limit": 0.1, "watchdog": 0.2}
        self._sensed = Sensed(0.0, kept.pressure_kpa, spec.temperature_c)
        self._trail: deque[tuple[float, float]] = deque(maxlen=11)  # time, counter: the rate over 50 ms
        self._behind_since: float | None = None
        self._follow_ml = 0.0  # counter minus motor when last in step
        self._fed_at = 0.0
        self._beat = 0
        self._store()

    # --- the control cycle

    def tick(self) -> None:
        """One cycle of ``CYCLE_S``: drive, read gauges, keep the limits, remember."""
        running = self.state is DeviceState.ENABLED and self._holding["run"] == 1
        wanted = self._holding["flow_setpoint"] if running else 0.0
        was = self._sensed.displaced_ml
        self._sensed = self.mechanism.step(wanted, running, CYCLE_S)
        self._trail.append((self.mechanism.time_s, self._sensed.displaced_ml))
        self._beat = (self._beat + 1) & 0xFFFF
        if self.e_stop:
            self._fail(Fault.E_STOP)
        if self.state is DeviceState.ENABLED:
            self._keep_limits()
        if self._sensed.displaced_ml != was or not self.mechanism.resting or running:
            self._store()

    def _keep_limits(self) -> None:
        now, holding = self.mechanism.time_s, self._holding
        if self.displaced_ml >= holding["volume_limit"]:
            self._fail(Fault.VOLUME_LIMIT)
        if self._sensed.pressure_kpa >= holding["pressure_limit"]:
            self._fail(Fault.PRESSURE_LIMIT)
        if self.flow_ml_s > holding["flow_limit"] * 1.05 + 0.001:
            self._fail(Fault.FLOW_LIMIT)
        if now - self._fed_at > holding["watchdog"] * self._speed:
            self._fail(Fault.LINE_QUIET)
        if self.remaining_ml <= 0:
            self._fail(Fault.EMPTY)
        behind = self.mechanism.motor_ml - self._sensed.displaced_ml - self._follow_ml
        if abs(behind) < self.spec.stall_ml:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since > self.spec.stall_s:
            self._fail(Fault.STALLED)

    def _fail(self, fault: Fault) -> None:
        new = not fault & self.faults
        self.faults |= fault
        if self.state is not DeviceState.FAULT or new:
            self._leave(DeviceState.FAULT)

    def _leave(self, state: DeviceState) -> None:
        """Every way out of ENABLED: a stop."""
        self.state = state
        if hasattr(self, "_holding"):  # a spoilt memory faults before there are registers
            self._holding |= {"run": 0.0, "flow_setpoint": 0.0, "state_command": 0.0, "arm_key": 0.0}
            self._stops = (self._stops + 1) & 0xFFFF
            self._store()

    def _store(self) -> None:
        if Fault.MEMORY not in self.faults:  # what is spoilt is left for a person to look at
            m = self.mechanism
            self._memory.save(Remembered(self.displaced_ml, self._boots, self._stops, m.pressure_kpa, m.delivered_ml))

    # --- what is measured

    @property
    def displaced_ml(self) -> float:
        """The counter, over the device's life."""
        return max(0.0, self._before_ml + self._sensed.displaced_ml)

    @property
    def remaining_ml(self) -> float:
        """In the cartridge, which is full when the device starts."""
        return max(0.0, self.spec.cartridge_ml - self._sensed.displaced_ml)

    @property
    def flow_ml_s(self) -> float:
        """Rate of the counter over the last 50 ms."""
        if len(self._trail) < 2:
            return 0.0
        (t0, v0), (t1, v1) = self._trail[0], self._trail[-1]
        return (v1 - v0) / (t1 - t0)

    def _measured(self) -> dict[str, float]:
        inputs = Input.E_STOP_PRESSED * self.e_stop | Input.MOTOR_RUNNING * (not self.mechanism.resting)
        inputs |= Input.VALVE_OPEN * self.mechanism.truth.valve_open
        return {
            "map_version": MAP_VERSION,
            "serial_number": 900001,
            "boot_count": self._boots,
            "state": self.state,
            "faults": self.faults,
            "inputs": inputs,
            "stop_count": self._stops,
            "heartbeat_echo": self._holding["heartbeat"],
            "device_beat": self._beat,
            "device_time": self.mechanism.time_s,
            "displaced": self.displaced_ml,
            "flow": min(max(self.flow_ml_s, -1.0), 1.0),
            "pressure": min(max(self._sensed.pressure_kpa, -200.0), 10000.0),
            "temperature": min(max(self._sensed.temperature_c, 0.0), 60.0),
            "compliance": self.spec.compliance_ml_per_kpa,
            "remaining": self.remaining_ml,
        }

    # --- the wire's side

    def read(self, table: Table, start: int, count: int) -> list[int]:
        """Words of a table.

        Raises:
            RefusedError: 2, words that are not there.
        """
        size = INPUT_WORDS if table is Table.INPUT else HOLDING_WORDS
        if not (1 <= count <= 125 and start + count <= size):
            raise RefusedError(f"{table.value} words {start}…{start + count - 1} of {size}", 2)
        values = self._measured() if table is Table.INPUT else self._holding
        words = [w for r in (INPUTS if table is Table.INPUT else HOLDINGS) for w in r.encode(values[r.name])]
        return words[start : start + count]

    def write(self, start: int, words: Sequence[int]) -> None:
        """Holding registers, all or none.

        Raises:
            RefusedError: 2, words that are not there or half a register; 3, a value out of range; 4, not in this state.
        """
        if not 1 <= len(words) <= 123 or start + len(words) > HOLDING_WORDS:
            raise RefusedError(f"holding words {start}…{start + len(words) - 1} of {HOLDING_WORDS}", 2)
        try:
            values = unpack(Table.HOLDING, start, words)
        except RegisterError as error:
            raise RefusedError(str(error), 3) from error
        if sum(BY_NAME[name].words for name in values) != len(words):
            raise RefusedError("half of a two-word register", 2)
        command = StateCommand(int(values.pop("state_command", 0)))
        key = values.pop("arm_key", None)
        if values.keys() & set(LIMIT_BLOCK) and self.state is not DeviceState.DISABLED:
            raise RefusedError(f"limits are fixed in {self.state.name}", 4)
        if values.get("run") == 1 and (self.state is not DeviceState.ENABLED or command is not StateCommand.NONE):
            raise RefusedError(f"run is not taken in {self.state.name}", 4)
        self._obey(command, key)
        if "heartbeat" in values and values["heartbeat"] != self._holding["heartbeat"]:
            self._fed_at = self.mechanism.time_s
        self._holding |= values
        if self._holding["run"] == 0:
            self._holding["flow_setpoint"] = 0.0  # nothing waits behind a run that is yet to come

    def _obey(self, command: StateCommand, key: float | None) -> None:
        """The state machine."""
        if command is StateCommand.NONE:
            return
        if command is StateCommand.ENABLE and self.state in (DeviceState.DISABLED, DeviceState.PAUSED):
            if key != self._stops:
                raise RefusedError(f"ENABLE carries key {key}, not {self._stops}", 4)
            if self.faults or self.e_stop or self.displaced_ml >= self._holding["volume_limit"]:
                raise RefusedError("ENABLE with E-stop pressed or no volume allowed", 4)
            self.state, self._fed_at, self._behind_since = DeviceState.ENABLED, self.mechanism.time_s, None
            self._follow_ml = self.mechanism.motor_ml - self._sensed.displaced_ml
        elif command is StateCommand.PAUSE and self.state is DeviceState.ENABLED:
            self._leave(DeviceState.PAUSED)
        elif command is StateCommand.DISABLE and self.state is not DeviceState.FAULT:
            self._leave(DeviceState.DISABLED)
        elif command is StateCommand.ACKNOWLEDGE and self.state is DeviceState.FAULT:
            if self.e_stop or Fault.MEMORY in self.faults:
                raise RefusedError("the cause of the fault is still there", 4)
            self.faults = Fault(0)
            self._leave(DeviceState.DISABLED)
        else:
            raise RefusedError(f"{command.name} is not taken in {self.state.name}", 4)
