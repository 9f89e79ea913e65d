"""The simulated arm behind ros2_control's interface, as a vendor's driver would offer it. A device, none of our nodes."""

from __future__ import annotations

import numpy as np
from pkp_lifecycle import names
from pkp_lifecycle.node import LATEST
from pkp_lifecycle.polled import Polled
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from pkp_simulation.arm_device import ArmDevice, live
from pkp_simulation.trajectory import JOINT_NAMES
from pkp_simulation.trajectory_server import TrajectoryServer

COMMANDS = QoSProfile(depth=64)
"""Half a second: a machine that held this process up must not make a jump of what was streamed smoothly."""
SPIN_EVERY, SPIN_IDLE = 2, 10
"""Steps between two looks at the action's requests, while a trajectory runs or has just been asked for, and otherwise."""


class ArmController(ArmDevice):
    """Joint states out, streamed positions and trajectories in."""

    def __init__(self) -> None:
        super().__init__()
        self._states = self.create_publisher(JointState, names.JOINT_STATES, LATEST)
        self._commands = Polled(self.loop, Float64MultiArray, names.JOINT_COMMANDS, COMMANDS)
        self._message = JointState(name=list(JOINT_NAMES))
        self.trajectories = TrajectoryServer(self, self.bench, 1.0 / self.config.rate_hz)

    @property
    def served(self) -> Node:
        """The trajectories' node."""
        return self.trajectories.node

    @property
    def spin_every(self) -> int:
        """See ``SPIN_EVERY``."""
        return SPIN_EVERY if self.trajectories.busy else SPIN_IDLE

    def hear(self) -> None:
        """Streamed positions."""
        for message in self._commands.take(COMMANDS.depth):
            self.bench.command(np.array(message.data, dtype=np.float64))

    def tell(self) -> None:
        """Where the joints are, and how far a trajectory is."""
        self.trajectories.step()
        state, message = self.bench.arm.joint_state(), self._message
        message.header.stamp = self.stamp().to_msg()
        message.position, message.velocity = state.joints.tolist(), state.speed.tolist()
        self._states.publish(message)

    def close(self) -> None:
        """Let go."""
        self.trajectories.close()
        self._commands.destroy()
        super().close()


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    return live(ArmController)


if __name__ == "__main__":
    raise SystemExit(main())
