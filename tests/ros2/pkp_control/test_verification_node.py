"""The verification node over real middleware; the test plays camera, supervisor and registration."""

import threading

import numpy as np
import pytest

from tests.ros2.running import ros_node, until
from tests.ros2.small_plan import path, sealed_plan

pytestmark = pytest.mark.ros
CALIBRATED = {"marker_mm": [0.03, 0.03, 0.03]}


class Theatre:
    """The node, and a camera that shows the guide where it is told: ``off_mm`` aside of the plan."""

    def __init__(self, node, environment, folder):
        from pkp_bringup.nodes import NodeSpec
        from pkp_bringup.room import Room
        from pkp_control.kinematics import PLATE, TIP, ArmKinematics, ArmModel
        from pkp_control.planned_path import planned_goal
        from pkp_lifecycle import names
        from pkp_lifecycle.node import LATEST
        from pkp_msgs import msg

        from planning_core.geometry import RigidTransform

        self.msg, self.node = msg, node
        plan = sealed_plan(path("left", (0, 0, 0), (0, -45, 0)), path("right", (20, 0, 0), (20, -45, 0)))
        (folder / "plan.json").write_text(plan.to_json())
        self.plan = msg.PlanReference(case_path=str(folder), plan_hash=plan.plan_hash, level="L1", sides=["left", "right"])
        self.registration = RigidTransform.from_parts("patient_ref", "ct_lps", np.eye(3), [0.0, 60.0, -80.0])
        goal = planned_goal(plan, "left", self.registration)
        arm = ArmKinematics.load(ArmModel.UR5)
        self.tip_from_tool = RigidTransform(TIP, "robot_ref", (arm.flange_from(TIP).inverse() @ arm.flange_from(PLATE)).matrix)
        self.patient = RigidTransform.from_parts("tracker", "patient_ref", np.diag([1.0, -1.0, -1.0]), [0.0, 0.0, -1450.0])
        self.goal = goal
        self.off_mm, self.seen, self.shown, self.side, self.draw = 0.0, True, True, "left", np.random.default_rng(5)
        self.states, self.frame, self.sequence, self.ended = [], 0, 0, threading.Event()
        self.room = Room(
            (NodeSpec("verification", "pkp_control", "verification", CALIBRATED),),
            folder / "run",
            node,
            environment,
            lambda w: None,
        )
        node.create_subscription(msg.VerificationState, names.VERIFICATION, self.states.append, 10)
        self.tools = node.create_publisher(msg.ToolPoseArray, names.TOOLS, 10)
        self.command = node.create_publisher(msg.StateCommand, names.STATE_COMMAND, LATEST)
        self.result = node.create_publisher(msg.RegistrationResult, names.REGISTRATION, 10)
        self.room.start()
        self.threads = [threading.Thread(target=self.every, args=beat) for beat in ((1 / 60, self.show), (0.02, self.speak))]
        for thread in self.threads:
            thread.start()
        self.until(lambda: self.result.get_subscription_count() == self.tools.get_subscription_count() == 1)

    def every(self, seconds, act):
        while not self.ended.wait(seconds):
            act()

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        self.room.end()

    def until(self, condition):
        until(condition, self.room.clients.spin)

    def after(self, count=25):
        """That many states from now on."""
        self.states.clear()
        self.until(lambda: len(self.states) > count)
        return list(self.states)

    def register(self, accepted=True):
        message = self.msg.RegistrationResult(plan=self.plan, method="plate", accepted=accepted)
        message.header.frame_id, message.header.stamp = "patient_ref", self.node.get_clock().now().to_msg()
        place = message.transform.translation
        place.x, place.y, place.z = (v / 1000 for v in self.registration.translation_mm)
        message.transform.rotation.w = 1.0
        self.said = message
        self.result.publish(message)

    def speak(self):
        self.sequence += 1
        self.command.publish(
            self.msg.StateCommand(supervisor="t", sequence=self.sequence, plan=self.plan, side=self.side, phase=6)
        )

    def show(self):
        if not self.shown:
            return
        from scipy.spatial.transform import Rotation

        self.frame += 1
        frame = self.msg.ToolPoseArray(frame_number=self.frame)
        frame.header.frame_id, frame.header.stamp = "tracker", self.node.get_clock().now().to_msg()
        tool = self.patient @ self.goal.patient_from_tip @ self.tip_from_tool
        for name, pose, aside in (("patient_ref", self.patient, 0.0), ("robot_ref", tool, self.off_mm)):
            one = self.msg.ToolPose(tool=name, frame_number=self.frame, status=0 if self.seen or name != "robot_ref" else 1)
            place = pose.translation_mm + self.draw.normal(size=3) * 0.02 + [aside, 0, 0]
            one.pose.position.x, one.pose.position.y, one.pose.position.z = (float(v) / 1000 for v in place)
            turn = one.pose.orientation
            turn.x, turn.y, turn.z, turn.w = (float(v) for v in Rotation.from_matrix(pose.rotation).as_quat())
            frame.tools.append(one)
        self.tools.publish(frame)


@pytest.fixture
def theatre(tmp_path):
    with ros_node() as (node, environment):
        made = Theatre(node, environment, tmp_path)
        yield made
        made.end()


def test_verified_is_said_of_a_guide_in_place_and_of_nothing_else(theatre):
    state = theatre.msg.VerificationState
    frame = theatre.frame
    theatre.until(lambda: theatre.frame > frame + 20)
    theatre.until(lambda: theatre.states)
    assert {s.state for s in theatre.states} == {state.LOST}  # nothing to judge it by without a registration, and said so
    theatre.register()
    theatre.until(lambda: theatre.states and theatre.states[-1].state == state.VERIFIED)
    assert state.HOLDING in {s.state for s in theatre.states}
    last = theatre.states[-1]
    assert (last.side, last.plan.plan_hash, last.header.frame_id) == ("left", theatre.plan.plan_hash, "patient_ref")
    assert last.target_error < 0.3e-3
    assert last.held >= last.hold_required

    theatre.off_mm = 1.5
    theatre.until(lambda: theatre.states[-1].state == state.NOT_VERIFIED)
    assert {s.state for s in theatre.after()} <= {state.NOT_VERIFIED, state.HOLDING}
    theatre.off_mm = 0.0
    theatre.until(lambda: theatre.states[-1].state == state.VERIFIED)

    theatre.seen = False
    theatre.until(lambda: theatre.states[-1].state == state.LOST)
    theatre.seen = True
    theatre.until(lambda: theatre.states[-1].state == state.VERIFIED)

    theatre.shown = False
    theatre.until(lambda: {s.state for s in theatre.states[-8:]} == {state.LOST})
    theatre.shown = True
    theatre.until(lambda: theatre.states[-1].state == state.VERIFIED)

    theatre.side = "right"  # 20 mm away
    theatre.until(lambda: theatre.states[-1].side == "right")
    assert {s.state for s in theatre.after()} == {state.NOT_VERIFIED}
    theatre.side = "left"
    theatre.until(lambda: theatre.states[-1].state == state.VERIFIED)

    other = theatre.msg.RegistrationResult(plan=theatre.msg.PlanReference(plan_hash="b" * 64))
    theatre.result.publish(other)  # refused, of another plan: it says nothing about this one
    assert {s.state for s in theatre.after()} == {state.VERIFIED}

    before = theatre.said
    theatre.register(accepted=False)
    theatre.until(lambda: theatre.states[-1].state == state.LOST)
    assert {s.state for s in theatre.after()} == {state.LOST}
    theatre.result.publish(before)  # an accepted one of before the refusal, said again
    assert {s.state for s in theatre.after()} == {state.LOST}
    theatre.register()
    theatre.until(lambda: theatre.states[-1].state == state.VERIFIED)
