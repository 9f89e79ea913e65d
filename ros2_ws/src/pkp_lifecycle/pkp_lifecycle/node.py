"""A lifecycle node with a heartbeat, parameters checked at its start, and an orderly end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import rclpy
from builtin_interfaces.msg import Time
from pkp_msgs.msg import Heartbeat
from pydantic import BaseModel
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor, ExternalShutdownException, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from pkp_lifecycle import names
from pkp_lifecycle.executor import quick_executor
from pkp_lifecycle.parameters import checked
from pkp_lifecycle.priority import go_first
from planning_core.errors import PkpError

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
LATEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
KEPT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
REFUSED_STATUS = 2
LAST_S = 0.5
"""A node that was at work when it was asked to end has so long to tell how its goals ended: that takes turns of its executor."""
Config = TypeVar("Config", bound=BaseModel)


class PkpNode(LifecycleNode, Generic[Config]):
    """A node in one process of its own.

    Children name their ``CONFIG`` (frozen pydantic model; each field is a read-only parameter) and ``NAME``; they open what
    they need in ``open``, begin in ``begin``, and let go in ``halt`` and ``close``.

    Raises:
        ParameterRefusedError: at the start, with the parameter's name and range.
    """

    NAME: ClassVar[str]
    CONFIG: ClassVar[type[BaseModel]]
    HEARTBEAT_S: ClassVar[float] = 0.1
    THREADS: ClassVar[int] = 1
    URGENT: ClassVar[int] = 0
    """Real-time priority where the system allows it: somebody stops when this node is late. No two busy ones share one, or each
    waits for the other's whole time slice (100 ms)."""

    def __init__(self) -> None:
        super().__init__(self.NAME)
        given = {name: p.value for name, p in self._parameter_overrides.items()}
        self.config: Config = checked(self.get_name(), self.CONFIG, given)
        for name, value in self.config.model_dump().items():
            self.declare_parameter(name, _plain(value), ParameterDescriptor(read_only=True, dynamic_typing=True), True)
        self._alive = self.create_publisher(Heartbeat, names.HEARTBEAT, 10)
        self._count = 0
        self.unhealthy = ""
        self.active = False
        self.create_timer(self.HEARTBEAT_S, self._beat)

    def create_timer(self, *arguments: Any, **named: Any) -> Any:
        """On the steady clock: rclpy's own timers would be silent while a wall clock that was set back catches up."""
        return super().create_timer(*arguments, **{"clock": Clock(clock_type=ClockType.STEADY_TIME), **named})

    def open(self) -> None:
        """Configure: make publishers, services, open devices. An error here refuses the configuration."""

    def begin(self) -> None:
        """Activate."""

    def halt(self) -> None:
        """Deactivate."""

    def close(self) -> None:
        """Clean up, or the process ends."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle."""
        return super().on_configure(state) if self._try("configure", self.open) else FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle."""
        self.active = self._try("activate", self.begin)
        return super().on_activate(state) if self.active else FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle."""
        self.active = False
        return super().on_deactivate(state) if self._try("deactivate", self.halt) else FAILURE

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle."""
        return super().on_cleanup(state) if self._try("clean up", self.close) else FAILURE

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle."""
        self.end()
        return SUCCESS

    def end(self) -> None:
        """Whatever the state was, everything is let go of."""
        self.pause()
        self._try("clean up", self.close)

    def pause(self) -> None:
        """Stop working, where it does."""
        if self.active:
            self.active = False
            self._try("deactivate", self.halt)

    def stamp(self) -> Time:
        """Now, for a message's header."""
        return self.get_clock().now().to_msg()

    def monotonic_of(self, stamp: Time) -> float:
        """The monotonic time, s, that a message's stamp means in this process."""
        return time.monotonic() - (self.get_clock().now().nanoseconds - (stamp.sec * 10**9 + stamp.nanosec)) / 1e9

    def stamp_of(self, monotonic_s: float) -> Time:
        """The stamp that a monotonic time, s, of this host means."""
        now_ns = self.get_clock().now().nanoseconds
        ns = now_ns - int((time.monotonic() - monotonic_s) * 1e9)
        return Time(sec=ns // 10**9, nanosec=ns % 10**9)

    def _try(self, what: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except (PkpError, OSError) as error:
            self.unhealthy = str(error)
            self.get_logger().error(f"cannot {what}: {error}")
            return False
        except Exception as error:  # a mistake of ours: rclpy would swallow it and say nothing
            self.unhealthy = f"{type(error).__name__}: {error}"
            self.get_logger().error(f"cannot {what}: {traceback.format_exc()}")
            return False
        if what == "configure":
            self.unhealthy = ""
        return True

    def _beat(self) -> None:
        self._count += 1
        beat = Heartbeat(node=self.get_fully_qualified_name(), count=self._count)
        beat.header.stamp = self.stamp()
        beat.healthy = self.active and not self.unhealthy
        beat.detail = self.unhealthy or ("" if self.active else "not active")
        self._alive.publish(beat)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _orphaned() -> bool:
    """Whether the process that started us, if it said who it is, has ended: nobody would end us then."""
    parent = os.environ.get("OPENPKP_PARENT")
    return parent is not None and os.getppid() != int(parent)


def _spin_on(executor: Executor, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    with contextlib.suppress(ExternalShutdownException):
        while time.monotonic() < until_s:
            executor.spin_once(timeout_sec=0.05)


def main(node_class: Callable[[], PkpNode]) -> int:
    """Run one node until it is asked to end; returns the exit status."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = node_class()
    except PkpError as error:
        print(f"pkp: {error.message}", file=sys.stderr, flush=True)
        rclpy.shutdown()
        return REFUSED_STATUS
    executor: Executor = MultiThreadedExecutor(node.THREADS) if node.THREADS > 1 else quick_executor()
    executor.add_node(node)
    if node.URGENT:
        node.get_logger().info(go_first(node.URGENT))
    try:
        while not asked.is_set() and not _orphaned():
            executor.spin_once(timeout_sec=0.1)
    except ExternalShutdownException:
        pass
    finally:
        if node.active:
            node.pause()
            _spin_on(executor, LAST_S)
        executor.shutdown(timeout_sec=2.0)  # before what it waits on is destroyed
        node.end()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0
