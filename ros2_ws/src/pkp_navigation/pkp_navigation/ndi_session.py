"""A tracker brought from power-on to tracking: line rate, tools, start."""

from __future__ import annotations

import threading
import time

import attrs

from pkp_navigation.ndi_protocol import (
    STRAYS,
    TRANSFORMS,
    BxFrame,
    CrcError,
    DeviceRefusalError,
    FrameFormatError,
    NdiError,
    parse_bx,
)
from pkp_navigation.serial_link import BITS_PER_BYTE, POWER_ON_BAUD, LinkLostError, LinkTimeoutError, SerialLink
from pkp_navigation.tool_definition import rom_from_file, rom_from_markers
from pkp_navigation.tracker_config import ToolConfig, TrackerConfig

BAUD_CODES = {9600: "0", 115200: "5", 230400: "A", 921600: "6"}
_SETTLE_S = 0.1
"""The guide asks for 100 ms after COMM before the next command."""
_SLICE_S = 0.2
_WIRELESS_PASSIVE = "*********1****"
_PIECE = 64
_OPTION = TRANSFORMS | STRAYS
_COMMAND_SIZE = len("BX:10010000\r")


@attrs.frozen
class TrackingReply:
    """A BX reply, when it was asked for (monotonic seconds), and the time the exchange took on the line, seconds."""

    frame: BxFrame
    asked_s: float
    transfer_s: float


class NdiSession:
    """A device that tracks the configured tools.

    Args:
        config: port, rates, tools.
        stop: set from outside to give up early.

    Raises:
        NdiError: the line or the device does not do it; the line is closed again.
        ToolDefinitionError: a tool's geometry is not usable.
    """

    def __init__(self, config: TrackerConfig, stop: threading.Event) -> None:
        self._config = config
        self._stop = stop
        self.tools: dict[int, str] = {}
        roms = {tool.name: tool_rom(tool) for tool in config.tools}
        self.link = SerialLink(config.port, config.baud)
        try:
            self._wake()
            for name, rom in roms.items():
                self.tools[self._load(name, rom)] = name
            self._ask("TSTART", "80")
        except BaseException:
            self.link.close()
            raise

    def close(self) -> None:
        """End tracking where the device still listens, and give the line back."""
        try:
            self.link.drain()
            self.link.ask("TSTOP", timeout_s=self._config.reply_timeout_s)
        except NdiError:
            pass  # closing must not fail because the cable is out
        finally:
            self.link.close()

    def poll(self) -> TrackingReply:
        """The newest tracking data; may be the same frame as before.

        Raises:
            NdiError: as :meth:`SerialLink.ask_binary` and :func:`parse_bx`; FrameFormatError for handles never requested.
        """
        asked_s = time.monotonic()
        data = self.link.ask_binary("BX", f"{_OPTION:04X}", timeout_s=self._config.reply_timeout_s)
        frame = parse_bx(data, _OPTION)
        if {reading.handle for reading in frame.handles} - set(self.tools):
            raise FrameFormatError("tracking data of handles that were not requested", size=len(data))
        return TrackingReply(frame, asked_s, (len(data) + _COMMAND_SIZE) * BITS_PER_BYTE / self.link.baud)

    def _wake(self) -> None:
        """INIT at the rate it was left at, else break and INIT at 9600, then the working rate."""
        try:
            self._init(min(0.5, self._config.command_timeout_s))
        except LinkLostError:
            raise
        except NdiError:
            self.link.set_baud(POWER_ON_BAUD)
            self.link.send_break()
            self._wait_for_reset()
            self._init(self._config.command_timeout_s)
        self._ask("COMM", f"{BAUD_CODES[self._config.baud]}0000")
        self.link.set_baud(self._config.baud)
        self._stop.wait(_SETTLE_S)

    def _wait_for_reset(self) -> None:
        """Until the device says RESET, the time is up or someone stops; some adapters carry no break, INIT decides."""
        deadline = time.monotonic() + self._config.reset_timeout_s
        while time.monotonic() < deadline and not self._stop.is_set():
            try:
                self.link.wait_for("RESET", timeout_s=_SLICE_S)
                return
            except LinkTimeoutError:
                continue
            except (FrameFormatError, CrcError):
                return  # something was said at another rate; what counts is the answer to INIT

    def _init(self, timeout_s: float) -> None:
        if self._stop.is_set():
            raise LinkLostError("stopped while connecting", port=self._config.port)
        self.link.drain()
        self.link.ask("INIT", timeout_s=timeout_s)

    def _load(self, name: str, rom: bytes) -> int:
        digits = self._ask("PHRQ", _WIRELESS_PASSIVE)
        if len(digits) != 2 or not set(digits) <= set("0123456789ABCDEF"):
            raise FrameFormatError(f"PHRQ answered {digits[:20]!r}", size=len(digits))
        for at in range(0, len(rom), _PIECE):
            self._ask("PVWR", f"{digits}{at:04X}{rom[at : at + _PIECE].ljust(_PIECE, bytes(1)).hex().upper()}")
        self._ask("PINIT", digits, tool=name)
        self._ask("PENA", f"{digits}D", tool=name)
        return int(digits, 16)

    def _ask(self, name: str, parameters: str, tool: str = "") -> str:
        if self._stop.is_set():
            raise LinkLostError("stopped while connecting", port=self._config.port)
        try:
            return self.link.ask(name, parameters, timeout_s=self._config.command_timeout_s)
        except DeviceRefusalError as refused:
            about = f" for {tool}" if tool else ""
            raise DeviceRefusalError(f"{refused.message}{about}", number=refused.number, command=name) from refused


def tool_rom(tool: ToolConfig) -> bytes:
    """The .rom image of a configured tool.

    Raises:
        ToolDefinitionError: its file or markers are not usable.
    """
    if tool.rom_file is not None:
        return rom_from_file(tool.name, tool.rom_file)
    return rom_from_markers(tool.name, tool.markers_mm)
