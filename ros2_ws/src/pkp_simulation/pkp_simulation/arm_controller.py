"""The simulated arm behind ros2_control's interface, as a vendor's driver would offer it. A device, none of our nodes."""

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
from pkp_lifecycle.node import LATEST
from pkp_lifecycle.parameters import checked
from pkp_lifecycle.polled import Polled, unspun
from pydantic import BaseModel, ConfigDict, Field
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from tf2_msgs.msg import TFMessage

from pkp_simulation.bench import ArmBench
from pkp_simulation.trajectory import JOINT_NAMES
from pkp_simulation.trajectory_server import TrajectoryServer
from planning_core.errors import PkpError

REFUSED_STATUS = 2
COMMANDS = QoSProfile(depth=8)
SPIN_EVERY, SPIN_IDLE = 2, 10
"""Steps between two looks at the action's requests, while a trajectory runs or has just been asked for, and otherwise."""
CLOCK_EVERY = 125
"""Steps between two comparisons of the clocks."""


class ArmControllerConfig(BaseModel):
    """Parameters of the simulated arm."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sim_folder: str = Field(min_length=1, description="folder with room.json")
    rate_hz: float = Field(125.0, ge=50, le=500, description="of joint states and commands; CB3 has 125, e-Series 500")
    truth_hz: float = Field(50.0, ge=0, le=125, description="of /sim/truth/tf; 0 for none")


class ArmController(Node):
    """Joint states out, streamed positions and trajectories in.

    Raises:
        PkpError: a parameter or the room is refused.
    """

    def __init__(self) -> None:
        super().__init__("arm_sim", automatically_declare_parameters_from_overrides=True)
        given = {name: p.value for name, p in self._parameter_overrides.items()}
        self.config = checked(self.get_name(), ArmControllerConfig, given)
        self.bench = ArmBench(Path(self.config.sim_folder), self.config.rate_hz)
        self._states = self.create_publisher(JointState, names.JOINT_STATES, LATEST)
        self._truth = self.create_publisher(TFMessage, names.SIM_TRUTH_TF, 10)
        # polled once a step, as a controller manager does, and therefore not in the executor: a wake-up per message costs more
        self._loop = unspun(self.get_name())
        self._commands = Polled(self._loop, Float64MultiArray, names.JOINT_COMMANDS, COMMANDS)
        self._message = JointState(name=list(JOINT_NAMES))
        self.trajectories = TrajectoryServer(self, self.bench, 1.0 / self.config.rate_hz)
        self._truth_due_s = 0.0
        self._last_ns, self._apart_ns = 0, self._clocks_apart_ns()

    def step(self, due_s: float) -> None:
        """One period: commands, the arm, its state, its truth."""
        for message in self._commands.take():
            self.bench.command(np.array(message.data, dtype=np.float64))
        self.bench.step(due_s)
        self.trajectories.step()
        self._publish_state()
        if self.config.truth_hz and due_s >= self._truth_due_s:
            self._truth_due_s = max(self._truth_due_s, due_s - 1.0) + 1.0 / self.config.truth_hz
            if self._truth.get_subscription_count():
                self._publish_truth()
            self.bench.control.serve()

    def close(self) -> None:
        """Let go, and say how punctual it was."""
        self.get_logger().info(f"steps {self.bench.lateness()}, commands refused {self.bench.refused}")
        self.trajectories.close()
        self._commands.destroy()
        self._loop.destroy_node()
        self.bench.close()

    def _stamp(self) -> Time:
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

    def _publish_state(self) -> None:
        state, message = self.bench.arm.joint_state(), self._message
        message.header.stamp = self._stamp().to_msg()
        message.position, message.velocity = state.joints.tolist(), state.speed.tolist()
        self._states.publish(message)

    def _publish_truth(self) -> None:
        stamp, message, truth = self._stamp().to_msg(), TFMessage(), self.bench.truth()
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


def _orphaned() -> bool:
    parent = os.environ.get("OPENPKP_PARENT")
    return parent is not None and os.getppid() != int(parent)


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = ArmController()
    except (PkpError, OSError) as error:
        print(f"pkp: {error}", file=sys.stderr, flush=True)
        rclpy.shutdown()
        return REFUSED_STATUS
    executor = quick_executor()
    executor.add_node(node.trajectories.node)
    gc.collect()
    gc.freeze()
    period_s, steps = 1.0 / node.config.rate_hz, 0
    due_s = time.monotonic()
    try:
        while not asked.is_set() and not (steps % 100 == 0 and _orphaned()):
            node.step(due_s)
            steps += 1
            if steps % (SPIN_EVERY if node.trajectories.busy else SPIN_IDLE) == 0:
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


if __name__ == "__main__":
    raise SystemExit(main())
