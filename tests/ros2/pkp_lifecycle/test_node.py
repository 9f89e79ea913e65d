"""How a node ends."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.ros2.running import ros_node, until


@contextmanager
def keeper(environment):
    """A node that takes goals and keeps them, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "tests.ros2.pkp_lifecycle.keeper"], env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.ros
def test_a_node_that_is_asked_to_end_tells_first_how_its_goals_ended():
    with ros_node() as (node, environment), keeper(environment) as process:
        import rclpy
        from pkp_lifecycle import names
        from pkp_msgs.action import Approach
        from rclpy.action import ActionClient

        spin = lambda seconds: rclpy.spin_once(node, timeout_sec=seconds)  # noqa: E731
        client = ActionClient(node, Approach, names.APPROACH)
        until(client.server_is_ready, spin)
        sent = client.send_goal_async(Approach.Goal())
        until(sent.done, spin)
        ended = sent.result().get_result_async()
        process.terminate()
        until(ended.done, spin, 10.0)
        assert ended.result().result.error_code == "not_active"
        assert process.wait(10.0) == 0
