"""The executor that single-threaded nodes spin on."""

from __future__ import annotations

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor


def quick_executor() -> Executor:
    """The events executor where this rclpy has one: the older one rebuilds its wait set for every message, which takes a third
    of a core at the rates of this room."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    executor: Executor = EventsExecutor(context=rclpy.get_default_context())
    return executor
