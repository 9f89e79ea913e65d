"""The supervisor's node in a process of its own; the test plays everybody else."""

import pytest

from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros
OTHERS = ("tracker", "arm", "registration", "verification", "injector")


class Played:
    """A supervisor that was ended in a phase and comes back there, in a room in which all nodes beat."""

    def __init__(self, node, environment, folder, state):
        from pkp_bringup.nodes import NodeSpec
        from pkp_bringup.room import Room
        from pkp_lifecycle import names
        from pkp_lifecycle.node import KEPT
        from pkp_msgs import msg
        from pkp_supervisor import journal

        folder.mkdir()
        journal.write(folder, state)
        self.node, self.names, self.msg, self.safety, self.injector, self.said = node, names, msg, [], None, 0
        self._alive = node.create_publisher(msg.Heartbeat, names.HEARTBEAT, 10)
        self._device = node.create_publisher(msg.OperatingState, names.INJECTOR_STATE, 10)
        node.create_subscription(msg.SafetyState, names.SAFETY, self.safety.append, KEPT)
        node.create_timer(0.05, self._beat)
        spec = NodeSpec("supervisor", "pkp_supervisor", "supervisor", {"run_folder": str(folder)})
        self.room = Room((spec,), folder, node, environment, lambda words: None)
        self.room.start()

    def _beat(self):
        for name in OTHERS:
            beat = self.msg.Heartbeat(node=f"/{name}", healthy=True)
            beat.header.stamp = self.node.get_clock().now().to_msg()
            self._alive.publish(beat)
        if self.injector is not None:
            self._device.publish(self.msg.OperatingState(device="injector", state=self.injector, reason="emergency stop"))
            self.said += 1

    def until(self, condition):
        until(lambda: self.safety and condition(self.safety[-1]), self.room.clients.spin)

    def hears(self, state, words=20):
        """The injector says so, on and on."""
        self.injector, end = state, self.said + words
        self.until(lambda safety: self.said > end)

    def ask(self, kind, name, **request):
        client = self.node.create_client(kind, name)
        self.until(lambda safety: client.service_is_ready())
        future = client.call_async(kind.Request(operator_id="dr", epoch=self.safety[-1].epoch, **request))
        self.until(lambda safety: future.done())
        return future.result()

    def leave(self, plan_hash):
        """Acknowledge and re-arm: where to."""
        from pkp_msgs.srv import Acknowledge, Rearm

        assert self.ask(Acknowledge, self.names.ACKNOWLEDGE).accepted
        answer = self.ask(Rearm, self.names.REARM, plan_hash=plan_hash)
        assert answer.accepted, answer.error_msg
        self.until(lambda safety: not safety.stop_latched)
        return answer.phase


def test_an_emergency_stop_at_the_injector_stops_the_way_out_when_it_is_pressed_and_not_while_it_stays_so(tmp_path):
    need_ros()
    from pkp_supervisor.phases import Phase
    from pkp_supervisor.state import State

    from tests.ros2.pkp_supervisor.test_workflow import HASH, TO_APPROACH, go, one_side

    with ros_node() as (node, environment):
        played = Played(node, environment, tmp_path / "run", go(State(), *TO_APPROACH, *one_side("left")[:5]))
        fault, paused = played.msg.OperatingState.FAULT, played.msg.OperatingState.PAUSED
        try:
            played.hears(fault)
            played.until(lambda safety: safety.reason == "injector: emergency stop")
            assert played.leave(HASH) == Phase.WITHDRAW
            for _ in range(2):
                epoch = played.safety[-1].epoch
                played.hears(fault)
                assert (played.safety[-1].epoch, played.safety[-1].motion_permitted) == (epoch, True)
                played.hears(paused)
                played.injector = fault  # pressed again while the arm withdraws
                played.until(lambda safety, epoch=epoch: safety.stop_latched and safety.epoch == epoch + 1)
                assert played.leave(HASH) == Phase.WITHDRAW
        finally:
            played.room.end()
