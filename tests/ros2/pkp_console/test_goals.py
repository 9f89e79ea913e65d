"""Goals whose node ends or hangs before it has answered."""

import contextlib
import signal
import threading

import pytest

from tests.ros2.pkp_lifecycle.test_node import keeper
from tests.ros2.running import ros_node, until

pytestmark = pytest.mark.ros
LEASE_S = 60.0
"""The middleware notices after 20 s that a process has ended without a word; this machine may be busy."""


@contextlib.contextmanager
def goals_of(node):
    """The console's goals, followed in a thread: (goals, what is told of them)."""
    from pkp_console.goals import Goals
    from pkp_console.live import LiveStore
    from pkp_lifecycle.executor import quick_executor

    live, executor, ended = LiveStore(), quick_executor(), threading.Event()
    goals = Goals(node, live, 5.0)
    executor.add_node(node)

    def spin():
        while not ended.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield goals, live
    finally:
        ended.set()
        thread.join()
        executor.shutdown()
        goals.destroy()


def begun(goals, kind):
    """Once its server is found, and nothing else is being followed."""
    from pkp_console.refusals import NoSupervisorError
    from pkp_console.room import PlanPlace

    facts, tasks = {"plan": PlanPlace("/case", "a" * 64, "L1", ("left",)), "side": "left", "epoch": 0}, []

    def taken():
        with contextlib.suppress(NoSupervisorError):
            tasks.append(goals.begin(kind, "dr", facts))
        return bool(tasks)

    until(taken, threading.Event().wait)
    until(lambda: tasks[0]["state"] != "asked", threading.Event().wait)
    return tasks[0]


def until_told(live, state, deadline_s=30.0):
    until(lambda: live.value("task")["state"] == state, threading.Event().wait, deadline_s)


@pytest.mark.slow
def test_a_goal_whose_node_is_killed_is_lost_and_another_one_can_be_given():
    with ros_node() as (node, environment), goals_of(node) as (goals, live), keeper(environment) as process:
        assert begun(goals, "approach")["state"] == "running"
        process.kill()
        process.wait()
        with keeper(environment):  # a server of that name is there all the time
            until_told(live, "lost", LEASE_S)
            assert begun(goals, "withdraw")["state"] == "running"


def test_a_goal_that_is_called_off_and_not_ended_is_lost(monkeypatch):
    with ros_node() as (node, environment), goals_of(node) as (goals, live), keeper(environment) as process:
        from pkp_console import goals as module

        monkeypatch.setattr(module, "ENDS_S", 0.5)
        begun(goals, "approach")
        process.send_signal(signal.SIGSTOP)
        goals.call_off()
        until_told(live, "lost")
        assert live.value("task")["error_code"] == "lost"
