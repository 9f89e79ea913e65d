"""An arm of a simulated room: its truth on the room's clock, stepped in real time by a process of its own."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import TransformStamped
from pkp_lifecycle import names
from pkp_lifecycle.executor import quick_executor
from pkp_lifecycle.parameters import checked
from pkp_lifecycle.polled import unspun
from pydantic import BaseModel, ConfigDict, Field
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from pkp_simulation.bench import ArmBench
from planning_core.errors import PkpError

REFUSED_STATUS = 2
CLOCK_EVERY = 125
"""Steps between two comparisons of the clocks."""


class ArmDeviceConfig(BaseModel):
    """Parameters of the simulated arm."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sim_folder: str = Field(min_length=1, description="folder with room.json")
    rate_hz: float = Field(125.0, ge=50, le=500, description="of joint states and commands; CB3 has 125, e-Series 500")
    truth_hz: float = Field(50.0, ge=0, le=125, description="of /sim/truth/tf; 0 for none")


class ArmDevice(Node):
    """What every simulated arm does: lives, tells the room's other devices where it is, and tests what is true.

    Raises:
        PkpError: a parameter or the room is refused.
    """

    def __init__(self) -> None:
        super().__init__("arm_sim", automatically_declare_parameters_from_overrides=True)
        given = {name: p.value for name, p in self._parameter_overrides.items()}
        self.config = checked(self.get_name(), ArmDeviceConfig, given)
        self.bench = ArmBench(Path(self.config.sim_folder), self.config.rate_hz)
        self._truth = self.create_publisher(TFMessage, names.SIM_TRUTH_TF, 10)
        # polled once a step, as a controller manager does, and therefore not in the executor: a wake-up per message costs more
        self.loop = unspun(self.get_name())
        self._truth_due_s = 0.0
        self._last_ns, self._apart_ns = 0, self._clocks_apart_ns()
        self._told = ""

    def hear(self) -> None:
        """Take what came since the last step."""

    def tell(self) -> None:
        """Say what others may know."""

    @property
    def served(self) -> Node | None:
        """The node that an executor is to serve, if there is one."""
        return None

    @property
    def spin_every(self) -> int:
        """Steps until the executor is looked at again."""
        return 10

    def step(self, due_s: float) -> None:
        """One period. ``due_s``: monotonic time that it is for."""
        self.hear()
        self.bench.step(due_s)
        self.tell()
        if self.bench.arm.stop_reason != self._told:
            self._told = self.bench.arm.stop_reason
            self.get_logger().warning(f"{self.bench.arm.mode}: {self._told}" if self._told else "released")
        if self.config.truth_hz and due_s >= self._truth_due_s:
            self._truth_due_s = max(self._truth_due_s, due_s - 1.0) + 1.0 / self.config.truth_hz
            if self._truth.get_subscription_count():
                self._publish_truth()
            self.bench.control.serve()

    def close(self) -> None:
        """Let go, and say how punctual it was."""
        self.get_logger().info(f"steps {self.bench.lateness()}, commands refused {self.bench.refused}")
        self.loop.destroy_node()
        self.bench.close()

    def stamp(self) -> Time:
        """ROS time of the arm's sample, never before the last one's."""
        if self.bench.steps % CLOCK_EVERY == 0:
            self._apart_ns = self._clocks_apart_ns()
        self._last_ns = max(self._last_ns, int(self.bench.sampled_s * 1e9) + self._apart_ns)
        return Time(nanoseconds=self._last_ns)

    def _clocks_apart_ns(self) -> int:
        """ROS time less monotonic time; the quickest of three readings, since one may be interrupted between the two clocks."""
        found = []
        for _ in range(3):
            first = time.monotonic_ns()
            ros = self.get_clock().now().nanoseconds
            last = time.monotonic_ns()
            found.append((last - first, ros - (first + last) // 2))
        return min(found)[1]

    def _publish_truth(self) -> None:
        stamp, message, truth = self.stamp().to_msg(), TFMessage(), self.bench.truth()
        poses = np.array(list(truth.values()))
        turns, places = Rotation.from_matrix(poses[:, :3, :3]).as_quat().tolist(), (poses[:, :3, 3] / 1e3).tolist()
        for name, (x, y, z), turn in zip(truth, places, turns, strict=True):
            one = TransformStamped(child_frame_id=name)
            one.header.stamp, one.header.frame_id = stamp, "world"
            one.transform.translation.x, one.transform.translation.y, one.transform.translation.z = x, y, z
            q = one.transform.rotation
            q.x, q.y, q.z, q.w = turn
            message.transforms.append(one)
        self._truth.publish(message)


def live(device: type[ArmDevice]) -> int:
    """Step it until SIGTERM or SIGINT; returns the exit status."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = device()
    except (PkpError, OSError) as error:
        print(f"pkp: {error}", file=sys.stderr, flush=True)
        rclpy.shutdown()
        return REFUSED_STATUS
    executor = quick_executor()
    if node.served is not None:
        executor.add_node(node.served)
    gc.collect()
    gc.freeze()
    period_s, steps = 1.0 / node.config.rate_hz, 0
    due_s = time.monotonic()
    try:
        while not asked.is_set() and not (steps % 100 == 0 and _orphaned()):
            node.step(due_s)
            steps += 1
            if steps % node.spin_every == 0:
                executor.spin_once(timeout_sec=0.0)
            now_s = time.monotonic()
            due_s += period_s
            if now_s > due_s + 5 * period_s:
                due_s = now_s
            time.sleep(max(0.0, due_s - now_s))
    finally:
        node.close()
        executor.shutdown(timeout_sec=2.0)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _orphaned() -> bool:
    parent = os.environ.get("OPENPKP_PARENT")
    return parent is not None and os.getppid() != int(parent)
