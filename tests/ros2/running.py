"""Real nodes in real processes over real middleware, each test in a domain of its own."""

import importlib
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "launch"), *(str(p) for p in (ROOT / "ros2_ws/src").iterdir() if p.is_dir())]
DEADLINE_S = 30.0


def need_ros():
    """Skip where ROS 2 or the built workspace is not here."""
    for name in ("rclpy", "pkp_msgs.msg", "mcap"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            pytest.skip(f"ROS 2 with the built workspace is not here ({error}); ./pkp test prepares it")


def until(condition, spin, deadline_s=DEADLINE_S):
    """Spin until the condition holds; fails after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "deadline"
        spin(0.05)


@contextmanager
def ros_node(name="test"):
    """A node in a domain of its own, with the environment that its children need: (node, environment)."""
    need_ros()
    import rclpy
    from pkp_bringup.domain import loopback, own_domain

    with own_domain() as domain:
        environment = {**loopback(domain), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        kept = {key: os.environ.get(key) for key in environment}
        os.environ.update({key: environment[key] for key in loopback(domain)})
        rclpy.init()
        node = rclpy.create_node(name)
        try:
            yield node, environment
        finally:
            node.destroy_node()
            rclpy.try_shutdown()
            for key, value in kept.items():
                os.environ.pop(key) if value is None else os.environ.__setitem__(key, value)
