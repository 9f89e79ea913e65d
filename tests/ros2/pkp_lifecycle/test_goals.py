"""A goal that is being followed costs its node nothing, and its end reaches the client."""

import re
from pathlib import Path

import pytest

from tests.ros2.running import ros_node, until

SOURCES = Path(__file__).resolve().parents[3] / "ros2_ws/src"


@pytest.mark.ros
@pytest.mark.parametrize(("end", "status"), [("succeed", 4), ("abort", 6), ("canceled", 5)])
def test_an_unended_goal_leaves_the_executor_at_rest_and_then_ends(end, status):
    from pkp_lifecycle.executor import quick_executor
    from pkp_lifecycle.goals import conclude, not_yet
    from pkp_msgs.action import Inject
    from rclpy.action import ActionClient, ActionServer, CancelResponse

    with ros_node() as (node, _):
        executor, handles = quick_executor(), []
        ActionServer(
            node, Inject, "inject", not_yet,
            handle_accepted_callback=handles.append, cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )  # fmt: skip
        client = ActionClient(node, Inject, "inject")
        executor.add_node(node)
        spin = lambda seconds: executor.spin_once(timeout_sec=seconds)  # noqa: E731
        until(client.server_is_ready, spin)
        sent = client.send_goal_async(Inject.Goal(side="left"))
        until(lambda: sent.done() and handles, spin)
        ended = sent.result().get_result_async()
        turns = []
        node.create_timer(0.1, lambda: turns.append(None))
        count = 0
        while len(turns) < 5:
            spin(1.0)
            count += 1
        assert count < 100, "the executor spins while nothing happens"
        if end == "canceled":
            called_off = sent.result().cancel_goal_async()
            until(called_off.done, spin)
        assert not ended.done()
        conclude(handles[0], Inject.Result(error_code="so"), getattr(handles[0], end))
        until(ended.done, spin)
        assert (ended.result().status, ended.result().result.error_code) == (status, "so")
        executor.shutdown()


def test_no_node_waits_in_a_coroutine():
    """See ``pkp_lifecycle.goals``: only the console, which has an event loop of its own, may."""
    waiting = [
        path.name
        for path in SOURCES.glob("*/*/*.py")
        if path.parts[-3] != "pkp_console"
        and re.search(r"\basync def\b|\bawait\b", re.sub(r'"""[\s\S]*?"""', "", path.read_text()))
    ]
    assert waiting == []
