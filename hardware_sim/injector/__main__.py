"""``python -m hardware_sim.injector --link PATH --seed N``: the simulated injector as a process of its own."""

from __future__ import annotations

import argparse
import selectors
import sys
import time
from pathlib import Path
from typing import Any

import attrs

from hardware_sim.injector.channel import Channel
from hardware_sim.injector.device import CYCLE_S, InjectorDevice
from hardware_sim.injector.line import Line
from hardware_sim.injector.memory import Memory
from hardware_sim.injector.slave import RtuSlave
from hardware_sim.injector.spec import InjectorSpec
from hardware_sim.injector.troubles import new_batch, trouble
from hardware_sim.process import serve
from planning_core.devices.injector_map import DeviceState
from planning_core.errors import InputError

_MOST_LATE_S = 0.05


class Simulation:
    """Line, device and channels in one loop.

    Control channel, ``PATH.control``: ``{"trouble": word, "value": number}``, ``{"batch": class, "mixed_ago_s": s}``,
    ``{"line": "cut" | "silent" | "up"}``. Truth, for tests only, ``PATH.truth``: any object is answered with what is.
    """

    def __init__(self, link: Path, device: InjectorDevice, speed: float) -> None:
        self.device, self._speed = device, speed
        self._line, self._slave, self._deaf = Line(link), RtuSlave(device), False
        self._selector = selectors.DefaultSelector()
        self._watched: int | None = None
        self._watch()
        self._channels = [
            Channel(link.with_name(link.name + ".control"), self._selector, self._control),
            Channel(link.with_name(link.name + ".truth"), self._selector, lambda _: attrs.asdict(device.mechanism.truth)),
        ]
        self.running = True

    def _watch(self) -> None:
        if self._watched is not None:
            self._selector.unregister(self._watched)
        self._watched = self._line.fileno
        if self._watched is not None:
            self._selector.register(self._watched, selectors.EVENT_READ, self._hear)

    def _hear(self) -> None:
        heard = self._line.read()
        if heard and not self._deaf:
            self._line.write(self._slave.receive(heard, time.monotonic()))

    def _control(self, message: dict[str, Any]) -> dict[str, Any]:
        if "trouble" in message:
            trouble(self.device, message["trouble"], message.get("value", 1))
        elif "batch" in message:
            new_batch(self.device, message["batch"], message.get("mixed_ago_s", 0))
        elif message.get("line") in ("cut", "silent", "up"):
            self._deaf = message["line"] == "silent"
            if message["line"] == "cut":
                self._selector.unregister(self._watched or 0)
                self._watched = None
                self._line.pull()
            else:
                self._line.plug()
                if self._watched is None:
                    self._watch()
        else:
            raise InputError("say trouble, batch or line", known=["trouble", "batch", "line"])
        return {"ok": True}

    def run(self) -> None:
        """Until told to stop; the line is heard before every cycle. Time this process was not woken for is not made up:

        a device that suddenly lives half a second in one go would trip its watchdog on a driver that did nothing wrong.
        """
        due = time.monotonic()
        while self.running:
            # in haste only while enabled: in between nobody's clock would know how fast the cement sets
            pace = self._speed if self.device.state is DeviceState.ENABLED else 1.0
            due = max(due + CYCLE_S / pace, time.monotonic() - _MOST_LATE_S)
            while True:
                for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                    key.data()
                self._line.write(self._slave.pause(time.monotonic()))
                if time.monotonic() >= due:
                    break
            self.device.tick()

    def close(self) -> None:
        """Take the line and the channels away."""
        for channel in self._channels:
            channel.close()
        self._line.pull()
        self._selector.close()


def main(arguments: list[str] | None = None) -> int:
    """Parse, run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="hardware_sim.injector", description=__doc__)
    parser.add_argument("--link", type=Path, required=True, help="where the serial port appears")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", type=Path, help="the device's non-volatile memory (default: LINK.memory)")
    parser.add_argument("--speed", type=float, default=1.0, help="device seconds per second while enabled, 0.1 to 20")
    parser.add_argument("--cement-class", choices=("high", "medium", "low"), default="high")
    parser.add_argument("--mixed-ago", type=float, default=240.0, help="age of the cement, s")
    parser.add_argument("--temperature", type=float, default=22.0, help="of the barrel, °C")
    chosen = parser.parse_args(arguments)
    if not 0.1 <= chosen.speed <= 20:
        parser.error(f"--speed {chosen.speed}: 0.1 to 20")
    spec = InjectorSpec(cement_class=chosen.cement_class, mixed_ago_s=chosen.mixed_ago, temperature_c=chosen.temperature)
    memory = Memory(chosen.memory or chosen.link.with_name(chosen.link.name + ".memory"))
    simulation = Simulation(chosen.link, InjectorDevice(spec, chosen.seed, memory, chosen.speed), chosen.speed)

    try:
        serve(simulation)
    finally:
        memory.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
