"""Delivered against planned millilitres, peak pressures and stopping, over seeded injectors, cements and doses."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ros2_ws/src/pkp_control"))

from pkp_control.injection_config import InjectionConfig
from pkp_control.injection_cycle import InjectionCycle
from pkp_control.injection_journal import InjectionJournal
from pkp_control.injection_types import ARMED, InjectionOrder, Phase, Stop
from pkp_control.injector_client import InjectorClient, InjectorLineError, InjectorRefusedError

from hardware_sim.injector.device import InjectorDevice
from hardware_sim.injector.lockstep import Lockstep
from hardware_sim.injector.memory import Memory
from hardware_sim.injector.spec import InjectorSpec
from planning_core.cement.curing import CURING, CementClock


class LockstepLine:
    """The driver's line to a device on simulated time."""

    def __init__(self, lockstep: Lockstep) -> None:
        self._lockstep = lockstep

    def _check(self, reply: bytes) -> bytes:
        if not reply:
            self._lockstep.wait(0.04)
            raise InjectorLineError("no answer")
        if reply[0] & 0x80:
            raise InjectorRefusedError(f"Modbus exception {reply[1]}", exception=reply[1])
        return reply

    def read_input(self, start: int, count: int) -> list[int]:
        """See ``RegisterLine``."""
        data = self._check(self._lockstep.ask_input(start, count))[2:]
        return [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)]

    def write(self, start: int, words: Sequence[int]) -> None:
        """See ``RegisterLine``."""
        self._check(self._lockstep.ask_write(start, words))

    def close(self) -> None:
        """See ``RegisterLine``."""


class Room:
    """Injector, driver and controller on simulated time."""

    def __init__(
        self, folder: Path, seed: int = 1, spec: InjectorSpec | None = None, config: InjectionConfig | None = None
    ) -> None:
        self.spec, self.config = spec or InjectorSpec(), config or InjectionConfig()
        self.folder, self.seed = folder, seed
        self.start()
        self.cement = CementClock.start(-self.spec.mixed_ago_s, CURING[self.spec.cement_class])

    def start(self) -> None:
        """Both processes anew, on what is on disk."""
        now = self.lockstep.now_s if hasattr(self, "lockstep") else 0.0
        self.device = InjectorDevice(self.spec, self.seed, Memory(self.folder / "memory"))
        self.lockstep = Lockstep(self.device)
        self.offset = now
        self.control()

    def control(self) -> None:
        """The controller's process anew."""
        client = InjectorClient(LockstepLine(self.lockstep), self.clock)
        self.cycle = InjectionCycle(client, InjectionJournal(self.folder / "journal"), self.clock, self.config)

    def clock(self) -> float:
        """Seconds since the room was opened."""
        return self.lockstep.now_s + self.offset

    def once(self, permitted: bool = True, stop: Stop | None = None) -> Phase:
        """One control period."""
        due = self.lockstep.now_s + self.config.cycle_s
        phase = self.cycle.cycle(permitted, stop).phase
        self.lockstep.wait(max(0.0, due - self.lockstep.now_s))
        return phase

    def begin(self, planned_ml: float, side: str = "left") -> None:
        """Arm and press the switch."""
        self.cycle.arm(InjectionOrder(side, planned_ml, "plan"), self.cement)
        self.once(False)
        self.once(True)

    def until(self, seconds: float, *phases: Phase) -> Phase:
        """Hold the switch until a phase is reached or time is over."""
        end = self.lockstep.now_s + seconds
        while self.lockstep.now_s < end:
            if self.once() in phases:
                break
        return self.cycle.state.phase


def one(seed: int, folder: Path) -> tuple[float, float, float, float, Phase, Stop | None, str]:
    """One injection drawn by its seed: planned, truly delivered, peak pressure, seconds, how it ended."""
    rng = np.random.default_rng(seed)
    name = ("high", "medium", "low")[int(rng.integers(3))]
    window = CURING[name]
    planned = float(rng.uniform(0.5, 3.0))
    latest = window.closes_s - 40 - planned / 0.04
    spec = InjectorSpec(
        cement_class=name,
        mixed_ago_s=float(rng.uniform(window.opens_s + 40, max(window.opens_s + 50, min(latest, 420.0)))),
        temperature_c=float(rng.uniform(20, 23)),
    )
    room = Room(folder, seed, spec)
    room.begin(planned)
    end = room.until(240, *(set(Phase) - ARMED))
    room.lockstep.wait(0.1)
    before = room.device.mechanism.truth.delivered_ml
    room.lockstep.wait(2)
    after = room.device.mechanism.truth.delivered_ml
    assert after == before, "cement flowed after the end"
    state = room.cycle.state
    return planned, after, state.segments[-1].peak_kpa, room.lockstep.now_s, end, state.stop, name


def stop_latency(seed: int, folder: Path) -> float:
    """Seconds from a stop known to the controller to no flow and no plunger motion, mid-injection."""
    rng = np.random.default_rng(seed)
    room = Room(folder, seed, InjectorSpec(mixed_ago_s=float(rng.uniform(230, 400))))
    room.begin(2.0)
    room.until(float(rng.uniform(5, 20)), Phase.STOPPED)
    known = room.lockstep.now_s
    room.cycle.cycle(True, Stop.ORDERED)
    while (truth := room.device.mechanism.truth).out_ml_s > 0 or truth.plunger_ml_s > 0:
        room.lockstep.wait(0.001)
        if room.lockstep.now_s - known > 1:
            raise SystemExit("did not stop")
    return room.lockstep.now_s - known


def main() -> int:
    """Print errors, pressures and latencies."""
    parser = argparse.ArgumentParser(prog="pkp bench injection")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    rows, latencies = [], []
    with tempfile.TemporaryDirectory() as name:
        for seed in range(given.first, given.first + given.runs):
            folder = Path(name) / str(seed)
            (folder / "stop").mkdir(parents=True)
            row = one(seed, folder)
            rows.append(row)
            if given.verbose:
                print(
                    f"{seed:3d} {row[6]:6s} planned {row[0]:.2f} given {row[1]:.3f} error {(row[1] - row[0]) * 1000:+5.0f} µl "
                    f"peak {row[2]:5.0f} kPa {row[3]:4.0f} s {row[4].value} {row[5].name if row[5] else ''}",
                    flush=True,
                )
            latencies.append(stop_latency(seed, folder / "stop"))
    planned, delivered, peaks, seconds = (np.array([r[n] for r in rows], float) for n in range(4))
    error = np.abs(delivered - planned)
    within = error <= np.maximum(0.05, 0.02 * planned)
    done = sum(r[4] is Phase.DONE for r in rows)
    print(
        f"{len(rows)} injections of {planned.min():.1f}–{planned.max():.1f} ml, {done} done, {within.sum()} within ±2 % or 0.05 ml"
    )
    print(f"volume error: median {np.median(error):.3f} ml, max {error.max():.3f} ml")
    print(f"peak pressure: median {np.median(peaks):.0f} kPa, max {peaks.max():.0f} kPa")
    print(f"seconds per side: median {np.median(seconds):.0f}, max {seconds.max():.0f}")
    late = np.array(latencies) * 1000
    print(f"stop known to no flow: median {np.median(late):.0f} ms, max {late.max():.0f} ms")
    return 0 if done == len(rows) and within.all() else 1


if __name__ == "__main__":
    sys.exit(main())
