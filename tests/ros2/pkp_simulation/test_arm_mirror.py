"""An arm that is Gazebo's, as the room's camera sees it; the test plays Gazebo's joint state broadcaster."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from hardware_sim.room import RoomSpec
from hardware_sim.room.control import RoomOperator
from hardware_sim.room.shared import RoomReader
from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros


def test_an_arm_that_another_simulator_moves_is_followed(tmp_path):
    """Joints in another order, and a message that is not numbers."""
    from pkp_bringup.nodes import SimulatedRoom, simulated_devices
    from pkp_bringup.room import Room
    from pkp_lifecycle import names
    from pkp_lifecycle.node import LATEST
    from pkp_simulation.trajectory import JOINT_NAMES
    from sensor_msgs.msg import JointState

    need_ros()
    with tempfile.TemporaryDirectory(dir="/tmp") as name, ros_node() as (node, environment):
        folder = Path(name)
        spec = RoomSpec(seed=3)
        spec.write(folder)
        specs = simulated_devices("gazebo", SimulatedRoom(folder, spec.seed, spec.epoch_s))[:1]
        assert specs[0].module == "arm_mirror"
        running = Room(specs, tmp_path, node, {**environment, "OPENPKP_SIM": str(folder)}, lambda words: None)
        try:
            running.start()
            until(lambda: (folder / "room.control").exists(), running.clients.spin)
            states = node.create_publisher(JointState, names.JOINT_STATES, LATEST)
            reader, there = RoomReader(folder, spec.epoch_s), np.array([0.3, -1.2, 1.4, -0.9, -1.5, 0.2])

            def plate():
                return reader.poses(spec.now_s())[0].translation_mm

            until(lambda: reader.poses(spec.now_s()) is not None, running.clients.spin)
            before, order = plate(), [5, 2, 0, 1, 4, 3]
            for joints in (there * np.nan, there):
                message = JointState(name=[JOINT_NAMES[n] for n in order], position=[float(joints[n]) for n in order])
                until(lambda m=message: (states.publish(m), states.get_subscription_count())[1], running.clients.spin)
            until(lambda: np.linalg.norm(plate() - before) > 10, running.clients.spin)
            with RoomOperator(folder) as operator:
                assert operator.ask(do="status")["arm_mode"] == "idle"
        finally:
            running.end()
