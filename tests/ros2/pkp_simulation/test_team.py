"""The team at the simulated table does what the phase and the registration ask for, once, and says what it could not do."""

import pytest

from planning_core.errors import PkpError
from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros


class Hands:
    """Written down instead of done."""

    def __init__(self, broken=()):
        self.done, self.broken = [], broken

    def hold_breath(self, held):
        self.do("hold" if held else "breathe")

    def scan(self):
        self.do("scan")

    def scan_runs(self):
        self.do("look at the scan")

    def scan_over(self):
        pass

    def touch_check_point(self, touching):
        self.do("touch" if touching else "away")

    def release_arm(self):
        self.do("release")

    def cement_mixed_at(self):
        self.do("cement")

    def do(self, what):
        self.done.append(what)
        if what in self.broken:
            raise PkpError(f"{what}: not now")


def walked(*steps):
    need_ros()
    from pkp_simulation.team import Heard, attend
    from pkp_supervisor.phases import Phase

    hands, before = Hands(), Heard()
    for phase, more in steps:
        now = Heard(Phase[phase.upper()], **more)
        attend(hands, before, now)
        before = now
    return hands.done


def test_a_registration_takes_breath_scan_and_probe():
    stages = [{}, {"stage": "waiting for the scan"}, {"stage": "waiting for the scan"}, {"stage": "reading"}]
    stages += [{"stage": "touch the check point"}, {"stage": "judging"}, {}]
    done = walked(*(("register", s) for s in stages), ("approach", {}))
    assert done == ["hold", "scan", "look at the scan", "touch", "away", "breathe"]


def test_the_breath_is_held_from_the_first_verified_to_the_open_sleeve():
    done = walked(
        ("approach", {}), ("verify", {}), ("verify", {"verified": True}), ("insert", {}), ("inject", {}), ("withdraw", {})
    )
    assert done == ["hold", "breathe", "cement"]


def test_a_stop_lets_the_patient_breathe_and_a_rearm_brings_no_second_cartridge():
    done = walked(
        ("insert", {}), ("inject", {}), ("stopped", {"stage": "touch the check point"}), ("stopped", {}), ("inject", {})
    )
    assert done == ["hold", "breathe", "cement", "release", "touch", "away"]


def test_it_hears_the_room_and_says_what_a_device_refused():
    with ros_node("room") as (node, _):
        from action_msgs.msg import GoalStatus, GoalStatusArray
        from pkp_lifecycle import names
        from pkp_lifecycle.node import KEPT
        from pkp_msgs.action import Register
        from pkp_msgs.msg import ProcedurePhase
        from pkp_simulation.team import Team
        from rclpy.qos import DurabilityPolicy, QoSProfile

        kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        phase = node.create_publisher(ProcedurePhase, names.PHASE, KEPT)
        stage = node.create_publisher(Register.Impl.FeedbackMessage, f"{names.REGISTER}/_action/feedback", 10)
        goals = node.create_publisher(GoalStatusArray, f"{names.REGISTER}/_action/status", kept)
        hands, said = Hands(broken=("scan",)), []
        team = Team(hands, said.append)
        try:
            until(lambda: stage.get_subscription_count(), lambda seconds: None)
            phase.publish(ProcedurePhase(phase=4))
            goals.publish(GoalStatusArray(status_list=[GoalStatus(status=GoalStatus.STATUS_EXECUTING)]))
            stage.publish(Register.Impl.FeedbackMessage(feedback=Register.Feedback(stage="waiting for the scan")))
            until(lambda: said, lambda seconds: team.look())
            assert said == ["at the table: scan: not now"]
            stage.publish(Register.Impl.FeedbackMessage(feedback=Register.Feedback(stage="touch the check point")))
            until(lambda: "touch" in hands.done, lambda seconds: team.look())
            goals.publish(GoalStatusArray(status_list=[GoalStatus(status=GoalStatus.STATUS_SUCCEEDED)]))
            until(lambda: "away" in hands.done, lambda seconds: team.look())
            assert hands.done.count("scan") == 1
        finally:
            team.end()
