"""The recorder node: every topic there is, as it was on the wire, into MCAP with its definition."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from pkp_lifecycle import names
from pkp_lifecycle.node import LATEST, PkpNode
from pkp_lifecycle.node import main as run
from pkp_msgs.msg import RecorderState
from pydantic import BaseModel, ConfigDict, Field
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from pkp_supervisor.definitions import NoDefinitionError, definition, message_class, schema_name
from pkp_supervisor.mcap_log import LogLimits, Record, RotatingLog

LOOK_S = 0.2
"""Between looks for new topics."""


class RecorderConfig(BaseModel):
    """Parameters of the recorder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    folder: str = Field(min_length=1, description="where the files go")
    flush_s: float = Field(0.25, gt=0, le=5, description="a killed recorder loses at most this much")
    file_mb: int = Field(256, ge=1, le=4096, description="a file is closed at this size")
    file_s: float = Field(600.0, ge=1, le=86400, description="and at this age")
    free_mb: int = Field(64, ge=1, description="no file is begun with less space on the disk")


class Recorder(PkpNode[RecorderConfig]):
    """Subscribes to whatever appears. It can fail without harm to the procedure, but says so."""

    NAME, CONFIG = "recorder", RecorderConfig

    def open(self) -> None:
        """Make the folder and the first file."""
        config = self.config
        limits = LogLimits(config.file_mb * 2**20, config.file_s, config.free_mb * 2**20)
        self._log = RotatingLog(Path(config.folder), limits)
        self._topics: dict[str, Any] = {}
        self._unknown: set[str] = set()
        self._state = self.create_publisher(RecorderState, names.RECORDER, LATEST)
        self._periodic = [self.create_timer(LOOK_S, self._look), self.create_timer(config.flush_s, self._flush)]
        for timer in self._periodic:
            timer.cancel()

    def begin(self) -> None:
        """Record from now on."""
        for timer in self._periodic:
            timer.reset()
        self._look()
        self._flush()

    def halt(self) -> None:
        """End the file properly."""
        for timer in self._periodic:
            timer.cancel()
        for subscription in self._topics.values():
            self.destroy_subscription(subscription)
        self._topics = {}
        self._log.close()

    def close(self) -> None:
        """Let go."""
        for timer in getattr(self, "_periodic", ()):
            self.destroy_timer(timer)
        self._periodic: list[Any] = []

    def _look(self) -> None:
        for topic, types in self.get_topic_names_and_types():
            if topic in self._topics or topic in self._unknown or not self.get_publishers_info_by_topic(topic):
                continue  # nobody speaks yet: how it must be listened to is not known
            try:
                text, kind = definition(types[0]), message_class(types[0])
            except NoDefinitionError as error:
                self._unknown.add(topic)
                self.get_logger().warning(f"{topic} is not recorded: {error.message}")
                continue
            self._topics[topic] = self.create_subscription(
                kind, topic, self._taker(topic, schema_name(types[0]), text), self._offered(topic), raw=True
            )

    def _offered(self, topic: str) -> QoSProfile:
        """As strict as what is offered: stricter hears nothing, laxer loses what was kept for latecomers."""
        profiles = [p.qos_profile for p in self.get_publishers_info_by_topic(topic)]
        reliable = bool(profiles) and all(p.reliability is ReliabilityPolicy.RELIABLE for p in profiles)
        kept = bool(profiles) and all(p.durability is DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
        return QoSProfile(
            depth=200,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE,
        )

    def _taker(self, topic: str, type_name: str, text: str) -> Any:
        return lambda data: self._log.add(Record(topic, type_name, text, data, time.time_ns()))

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self.config.folder).free
        except OSError:  # the folder is gone; that nothing is written there the log says itself
            return 0

    def _flush(self) -> None:
        self._log.flush(time.monotonic())
        state = self._log.state
        self.unhealthy = state.error_msg
        message = RecorderState(
            recording=not state.error_code,
            file=state.file,
            messages=state.written,
            lost=state.lost,
            topics=len(self._topics),
            bytes=state.bytes,
            free_bytes=self._free(),
            error_code=state.error_code,
            error_msg=state.error_msg,
        )
        message.header.stamp = self.stamp()
        self._state.publish(message)


def main() -> int:
    """Run the node."""
    return run(Recorder)


if __name__ == "__main__":
    raise SystemExit(main())
