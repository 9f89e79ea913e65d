"""The device as a state machine: one command line in, one reply out. No clock, no line, no process of its own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import attrs

from hardware_sim.tracker import identity, tracking_reply
from hardware_sim.tracker.faults import Faults
from hardware_sim.tracker.frames import FrameSource
from hardware_sim.tracker.handles import ENABLED, INITIALISED, HandleTable
from hardware_sim.tracker.pose_fit import ToolMeasurement
from hardware_sim.tracker.tracking_reply import TrackingFrame
from hardware_sim.tracker.wire import (
    INTERNAL_ERROR,
    INVALID_COMMAND,
    INVALID_PRIORITY,
    NOT_INITIALISED_SYSTEM,
    OUT_OF_RANGE,
    PARAMETER_COUNT,
    WRONG_MODE,
    DeviceError,
    WireFormatError,
    ascii_reply,
    error_reply,
    hex_number,
    parse_command,
)

BAUD_RATES = {"0": 9600, "1": 14400, "2": 19200, "3": 38400, "4": 57600, "5": 115200, "6": 921600, "7": 1228739, "A": 230400}
POWER_ON_BAUD = 9600
_INVALID_PORT_DESCRIPTION = 0x2F
_FRAME_NUMBERS = 1 << 32


class Mode(enum.Enum):
    """What the device is doing."""

    POWERED = "powered"
    SETUP = "setup"
    TRACKING = "tracking"


@attrs.frozen
class Reply:
    """Bytes to send, and the line rate to go to after they are out (None: stay)."""

    data: bytes
    baud_after: int | None = None


class PolarisDevice:
    """A Polaris that answers the combined API.

    Args:
        frames: the camera.

    ``faults`` is replaced from outside while the device runs.
    """

    def __init__(self, frames: FrameSource) -> None:
        self.faults = Faults()
        self.mode = Mode.POWERED
        self._frames = frames
        self._handles = HandleTable(frames.scene)
        self._counter_zero = 0
        self._held: TrackingFrame | None = None
        self._prepared: dict[int, Mapping[int, ToolMeasurement]] = {}
        self._held_index = -1
        anywhere = tuple(Mode)
        setup = (Mode.SETUP,)
        ready = (Mode.SETUP, Mode.TRACKING)
        self._commands: dict[str, tuple[tuple[Mode, ...], Callable[[str, float], bytes]]] = {
            "INIT": (anywhere, self._init),
            "APIREV": (anywhere, lambda *_: ascii_reply("G.001.005")),
            "ECHO": (anywhere, lambda text, _: ascii_reply(text)),
            "VER": (anywhere, lambda text, _: ascii_reply(identity.version(frames.config, text))),
            "GET": (anywhere, lambda name, _: ascii_reply(f"{name}={identity.user_parameter(frames.config, name)}")),
            "GETINFO": (anywhere, lambda name, _: ascii_reply(f"{name};6;1;0;0;;{identity.user_parameter(frames.config, name)}")),
            "BEEP": (ready, self._beep),
            "SFLIST": (ready, lambda text, _: ascii_reply(identity.features(frames.config, text))),
            "PHSR": (ready, self._search),
            "PHINF": (ready, self._information),
            "PHRQ": (setup, self._request),
            "PHF": (setup, self._free),
            "PVWR": (setup, self._write),
            "PINIT": (setup, self._initialise),
            "PENA": (setup, self._enable),
            "PDIS": (setup, self._disable),
            "TSTART": (setup, self._start),
            "TSTOP": ((Mode.TRACKING,), self._stop),
            "BX": ((Mode.TRACKING,), lambda text, now: self._tracking(tracking_reply.binary, text, now)),
            "TX": ((Mode.TRACKING,), lambda text, now: self._tracking(tracking_reply.text, text, now)),
        }

    def answer(self, line: bytes, now_s: float) -> Reply:
        """The reply to one line (without its CR) that is complete at ``now_s`` on the host's monotonic clock; never raises."""
        try:
            command = parse_command(line)
            if command.name == "RESET":
                return self.reset()
            if command.name == "COMM":
                return self._communication(command.parameters)
            if command.name not in self._commands:
                raise DeviceError(f"no command {command.name}", number=INVALID_COMMAND)
            modes, run = self._commands[command.name]
            if self.mode not in modes:
                number = NOT_INITIALISED_SYSTEM if self.mode is Mode.POWERED else WRONG_MODE
                raise DeviceError(f"{command.name} is not possible while {self.mode.value}", number=number)
            return Reply(run(command.parameters, now_s))
        except DeviceError as refused:
            return Reply(error_reply(refused.number))
        except WireFormatError:  # a number the reply has no digits for
            return Reply(error_reply(INTERNAL_ERROR))

    def work(self, now_s: float) -> float | None:
        """Measure ahead while tracking; returns when to come again on the monotonic clock, or None."""
        if self.mode is not Mode.TRACKING:
            return None
        again_s = self._frames.measure_until(now_s, self.faults)
        self._prepared = {
            exposure.index: self._prepared.get(exposure.index) or self._handles.measure(exposure.observation, self.faults)
            for exposure in self._frames.coming()
        }
        return again_s

    def frame_number(self, index: int) -> int:
        """The value of the frame counter at that exposure."""
        return (index - self._counter_zero - self._paused_frames()) % _FRAME_NUMBERS

    def _paused_frames(self) -> int:
        """Exposures that were not counted."""
        return round(self.faults.paused_s * self._frames.config.frame_rate_hz)

    def reset(self) -> Reply:
        """As after switching on (RESET, or a serial break): nothing initialised, 9600 baud."""
        self.mode = Mode.POWERED
        self._handles.clear()
        return Reply(ascii_reply("RESET"), POWER_ON_BAUD)

    def _init(self, _: str, now_s: float) -> bytes:
        self.mode = Mode.SETUP
        self._handles.clear()
        self._zero_counter(now_s)
        return ascii_reply("OKAY")

    def _communication(self, text: str) -> Reply:
        _expect(len(text) == 5, "COMM takes five digits")
        if text[0] not in BAUD_RATES or text[1] not in "01" or text[2] not in "012" or text[3] not in "01" or text[4] not in "01":
            raise DeviceError(f"COMM {text} asks for parameters that do not exist", number=OUT_OF_RANGE)
        return Reply(ascii_reply("OKAY"), BAUD_RATES[text[0]])

    def _beep(self, text: str, _: float) -> bytes:
        if text not in tuple("123456789"):
            raise DeviceError(f"BEEP {text}: 1 to 9 beeps", number=OUT_OF_RANGE)
        return ascii_reply("1")

    def _search(self, text: str, _: float) -> bytes:
        stage = INITIALISED | ENABLED
        wanted = {"02": 0, "03": INITIALISED, "04": INITIALISED | ENABLED}
        if text not in ("", "00", "01", *wanted):
            raise DeviceError(f"PHSR {text}: 00 to 04 are offered", number=OUT_OF_RANGE)
        found = list(self._handles)
        if text == "01":  # handles to be freed: tools pulled from a port, which wireless tools are not
            found = []
        elif text in wanted:
            found = [handle for handle in found if handle.status & stage == wanted[text]]
        return ascii_reply(f"{len(found):02X}" + "".join(f"{handle.number:02X}{handle.status:03X}" for handle in found))

    def _information(self, text: str, _: float) -> bytes:
        _expect(len(text) in (2, 6), "PHINF takes a handle and a reply option")
        handle = self._handles.get(hex_number(text[:2]))
        option = hex_number(text[2:]) if text[2:] else 0x0001
        if option & ~0x0005:
            raise DeviceError(f"PHINF option {option:04X}: 0001 and 0004 are offered", number=OUT_OF_RANGE)
        part = "" if handle.definition is None else handle.definition.part_number
        basic = f"02000000{'OpenPKP':<12}001{handle.number:08X}{handle.status:02X}" if option & 0x0001 else ""
        return ascii_reply(basic + (f"{part:<20}" if option & 0x0004 else ""))

    def _request(self, text: str, _: float) -> bytes:
        _expect(len(text) == 14, "PHRQ takes fourteen characters")
        if text[9] not in "*1":
            raise DeviceError("only wireless tools can be tracked", number=_INVALID_PORT_DESCRIPTION)
        return ascii_reply(f"{self._handles.request().number:02X}")

    def _free(self, text: str, _: float) -> bytes:
        self._handles.free(_handle(text))
        return ascii_reply("OKAY")

    def _write(self, text: str, _: float) -> bytes:
        _expect(len(text) == 2 + 4 + 128, "PVWR takes handle, address and 64 bytes")
        hex_number(text[6:])
        self._handles.write(_handle(text[:2]), hex_number(text[2:6]), bytes.fromhex(text[6:]))
        return ascii_reply("OKAY")

    def _initialise(self, text: str, _: float) -> bytes:
        self._handles.initialise(_handle(text))
        return ascii_reply("OKAY")

    def _enable(self, text: str, _: float) -> bytes:
        _expect(len(text) == 3, "PENA takes a handle and a priority")
        if text[2] not in "SDB":
            raise DeviceError(f"priority {text[2]}: S, D or B", number=INVALID_PRIORITY)
        self._handles.enable(_handle(text[:2]), text[2])
        return ascii_reply("OKAY")

    def _disable(self, text: str, _: float) -> bytes:
        self._handles.disable(_handle(text))
        return ascii_reply("OKAY")

    def _start(self, text: str, now_s: float) -> bytes:
        if text not in ("", "40", "80"):
            raise DeviceError(f"TSTART {text}: nothing, 40 or 80", number=OUT_OF_RANGE)
        if text == "80":
            self._zero_counter(now_s)
        self.mode, self._held = Mode.TRACKING, None
        self._prepared.clear()
        return ascii_reply("OKAY")

    def _stop(self, _: str, __: float) -> bytes:
        self.mode = Mode.SETUP
        return ascii_reply("OKAY")

    def _zero_counter(self, now_s: float) -> None:
        self._counter_zero = self._frames.newest(now_s, self.faults).index - self._paused_frames()
        self._frames.measure_again()

    def _tracking(self, reply: Callable[[TrackingFrame, int, int], bytes], text: str, now_s: float) -> bytes:
        return reply(self._frame(now_s), _option(text), self.faults.system_status)

    def _frame(self, now_s: float) -> TrackingFrame:
        if self.faults.halted and self._held is not None:
            return self._held
        exposure = self._frames.newest(now_s, self.faults)
        if self._held is not None and exposure.index == self._held_index:
            return self._held
        number = self.frame_number(exposure.index)
        if self._held is not None and (self._held.number - number) % _FRAME_NUMBERS < _FRAME_NUMBERS // 2:
            return self._held  # paused: the counter stands until this many exposures have gone by
        if self.faults.frozen and self._held is not None:
            frame = attrs.evolve(self._held, number=number)
        else:
            tools = self._prepared.get(exposure.index) or self._handles.measure(exposure.observation, self.faults)
            frame = TrackingFrame(number, tools, exposure.observation.strays_mm)
        self._held, self._held_index = frame, exposure.index
        return frame


def _option(text: str) -> int:
    return tracking_reply.checked_option(hex_number(text) if text else tracking_reply.TRANSFORMS)


def _handle(text: str) -> int:
    _expect(len(text) == 2, "a handle has two digits")
    return hex_number(text)


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise DeviceError(sentence, number=PARAMETER_COUNT)
