"""The supervisor's node by itself: when it judges who is silent."""

import attrs
import pytest

from tests.ros2.running import need_ros

pytestmark = pytest.mark.ros


@pytest.fixture
def supervisor(tmp_path, monkeypatch):
    """Speaking, in the approach, with nobody heard."""
    need_ros()
    import rclpy
    from pkp_bringup.domain import loopback, own_domain
    from pkp_supervisor.phases import Phase
    from pkp_supervisor.supervisor import Supervisor

    with own_domain() as domain:
        for name, value in loopback(domain).items():
            monkeypatch.setenv(name, value)
        rclpy.init(args=["--ros-args", "-p", f"run_folder:={tmp_path / 'run'}", "-p", "watch_limit_s:=0.5"])
        node = Supervisor()
        try:
            node.trigger_configure()
            node.trigger_activate()
            node._state = attrs.evolve(node._state, phase=Phase.APPROACH)
            yield node
        finally:
            node.end()
            node.destroy_node()
            rclpy.try_shutdown()


def late(node):
    node._ticked_s -= 1.0
    node._tick()


def test_one_late_tick_is_given_time_to_hear_what_came_meanwhile(supervisor):
    late(supervisor)
    assert not supervisor._state.latched
    supervisor._tick()
    assert supervisor._state.reason == "watchdog: tracker, arm not heard"


def test_a_supervisor_that_is_always_late_judges_all_the_same(supervisor):
    late(supervisor)
    late(supervisor)
    assert supervisor._state.latched
    assert supervisor._state.reason == "watchdog: tracker, arm not heard"


def test_late_again_and_again_it_stops_nobody_who_is_heard(supervisor):
    from pkp_msgs.msg import Heartbeat

    for _ in range(4):
        for name in supervisor.config.watch:
            beat = Heartbeat(node=f"/{name}", healthy=True)
            beat.header.stamp = supervisor.stamp()
            supervisor._on_heartbeat(beat)
        late(supervisor)
    assert not supervisor._state.latched
