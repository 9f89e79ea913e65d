"""The tracker node: each frame of the camera as one message, and TF of what it saw; the driver decides what may be believed."""

from __future__ import annotations

import threading
import time
from typing import Literal

from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, PkpNode
from pkp_lifecycle.node import main as run
from pkp_msgs.msg import SafetyState, ToolPoseArray
from pydantic import BaseModel, ConfigDict, Field
from tf2_msgs.msg import TFMessage

from pkp_navigation.ndi_tracker import NdiTracker
from pkp_navigation.tool_definition import rom_from_file, rom_from_markers
from pkp_navigation.tool_file import PATIENT_REF, PROBE_TIP, ROBOT_REF, load_tool, tool_config
from pkp_navigation.tool_messages import reading_messages
from pkp_navigation.tracker_config import ToolConfig, TrackerConfig
from pkp_navigation.tracker_health import late, trouble

QUEUE = 10
END_S = 10.0
"""The driver's longest wait in one exchange is below this."""


class TrackerNodeConfig(BaseModel):
    """Parameters of the tracker."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    port: str = Field(min_length=1, description="serial device, or the simulated camera's line")
    patient_ref: str = Field("", description="tool file of the patient reference; empty: the project's own")
    robot_ref: str = Field("", description="tool file of the marker plate on the arm; empty: the project's own ruler")
    probe_tip: str = Field("", description="tool file of the probe; empty: the project's own")
    baud: Literal[9600, 115200, 230400, 921600] = Field(921600, description="line rate while tracking")
    frame_rate_hz: float = Field(60.0, gt=0, le=400, description="of the device's frame counter")
    device_latency_ms: float = Field(14.2, ge=0, le=200, description="exposure to data ready")
    stale_after_s: float = Field(0.1, gt=0, le=1, description="without a new frame for so long the node is unhealthy")
    max_age_s: float = Field(0.1, gt=0, le=1, description="a frame older than this when it comes is refused")


class Tracker(PkpNode[TrackerNodeConfig]):
    """Reads the camera in a thread of its own, which publishes: nothing waits for the executor."""

    NAME, CONFIG = "tracker", TrackerNodeConfig
    URGENT = 24

    def open(self) -> None:
        """Check the tools, make publishers; the line is opened when the node becomes active."""
        config = self.config
        files = [load_tool(name, getattr(config, name)) for name in (PATIENT_REF, ROBOT_REF, PROBE_TIP)]
        tools = tuple(tool_config(file) for file in files)
        for tool in tools:
            _check(tool)
        limits = {name: getattr(config, name) for name in ("frame_rate_hz", "device_latency_ms", "stale_after_s", "max_age_s")}
        self._driver = NdiTracker(TrackerConfig(port=config.port, tools=tools, baud=config.baud, **limits))
        self._hand_held = frozenset(tool.name for tool in tools if not tool.latch_jumps)
        self._acknowledged_epoch = -1
        self._tools = self.create_publisher(ToolPoseArray, names.TOOLS, QUEUE)
        self._tree = self.create_publisher(TFMessage, "/tf", QUEUE)
        self._safety = self.create_subscription(SafetyState, names.SAFETY, self._on_safety, KEPT)
        self._watch = self.create_timer(config.stale_after_s / 2, self._look)

    def begin(self) -> None:
        """Read from now on."""
        self._heard_s = time.monotonic()
        self.unhealthy = "no frame yet"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(self._stop,), name="camera", daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """End the reading."""
        self._stop.set()
        self._thread.join(END_S)
        counters = self._driver.counters
        self.get_logger().info(f"{counters.frames} frames, {counters.frames_skipped} skipped, {counters.crc_errors} CRC errors")

    def close(self) -> None:
        """Let go."""
        if hasattr(self, "_tools"):
            self.destroy_timer(self._watch)
            self.destroy_subscription(self._safety)
            self.destroy_publisher(self._tools)
            self.destroy_publisher(self._tree)
            del self._tools

    def _read(self, stop: threading.Event) -> None:
        for reading in self._driver.readings(stop):
            if stop.is_set():
                return
            if reading.frame_number is not None and reading.acquired_monotonic_s is not None:
                array, tree = reading_messages(reading, self.stamp_of(reading.acquired_monotonic_s))
                self._tools.publish(array)
                if tree.transforms:
                    self._tree.publish(tree)
            if late(reading):
                continue
            self._heard_s = time.monotonic()
            said = trouble(reading, self._hand_held)
            if said != self.unhealthy:
                self.get_logger().info(said or "frames come, all is well")
            self.unhealthy = said

    def _look(self) -> None:
        """The driver says nothing while it connects, and what comes too late says nothing of now."""
        silent_s = time.monotonic() - self._heard_s if self.active else 0.0
        if silent_s > 2 * self.config.stale_after_s:
            self.unhealthy = f"the camera has not been heard in time for {silent_s:.1f} s"

    def _on_safety(self, safety: SafetyState) -> None:
        """An operator who acknowledges a stop has looked at what jumped, be it hidden now; what jumps later waits for another."""
        if not (safety.stop_latched and safety.acknowledged) or safety.epoch == self._acknowledged_epoch:
            return
        self._acknowledged_epoch = safety.epoch
        for tool in self._driver.latched():
            self.get_logger().info(f"{tool}: acknowledged with stop {safety.epoch}")
            self._driver.acknowledge(tool)


def _check(tool: ToolConfig) -> None:
    """Refuse at configuration what the driver would refuse at its first connection."""
    if tool.rom_file is not None:
        rom_from_file(tool.name, tool.rom_file)
    else:
        rom_from_markers(tool.name, tool.markers_mm)


def main() -> int:
    """Run the node."""
    return run(Tracker)


if __name__ == "__main__":
    raise SystemExit(main())
