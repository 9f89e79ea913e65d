"""An arm that another simulator moves (Gazebo), made known to the room's camera and C-arm: joint states in, nothing commanded."""

from __future__ import annotations

import numpy as np
from pkp_lifecycle import names
from pkp_lifecycle.node import LATEST
from pkp_lifecycle.polled import Polled
from sensor_msgs.msg import JointState

from hardware_sim.arm.device import CommandRefusedError
from pkp_simulation.arm_device import ArmDevice, live
from pkp_simulation.trajectory import JOINT_NAMES


class ArmMirror(ArmDevice):
    """Stands where the newest joint state says."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = Polled(self.loop, JointState, names.JOINT_STATES, LATEST)

    def hear(self) -> None:
        """The newest state that names all six joints, in whatever order."""
        for message in self._heard.take():
            joints = dict(zip(message.name, message.position, strict=False))
            try:
                self.bench.arm.place(np.array([joints[name] for name in JOINT_NAMES]))
            except (KeyError, CommandRefusedError) as error:
                self.get_logger().warning(f"joint state left out: {error}", throttle_duration_sec=5.0)

    def close(self) -> None:
        """Let go."""
        self._heard.destroy()
        super().close()


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    return live(ArmMirror)


if __name__ == "__main__":
    raise SystemExit(main())
