"""The tracker node against the simulated camera, each a process of its own, over real middleware."""

import math
import time

import numpy as np
import pytest

from tests.hardware_sim.tracker.running import running_tracker
from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros


class Listener:
    """What the node says, with the time it was heard."""

    def __init__(self, node, room):
        from pkp_lifecycle import names
        from pkp_msgs.msg import Heartbeat, ToolPoseArray
        from tf2_msgs.msg import TFMessage

        self.room, self.arrays, self.beats, self.tree = room, [], [], []
        clock = node.get_clock()
        node.create_subscription(
            ToolPoseArray, names.TOOLS, lambda m: self.arrays.append((clock.now().nanoseconds / 1e9, m)), 100
        )
        node.create_subscription(TFMessage, "/tf", self.tree.append, 100)
        node.create_subscription(Heartbeat, names.HEARTBEAT, self.beats.append, 100)

    def until(self, condition):
        until(condition, self.room.clients.spin)

    def healthy(self):
        return bool(self.beats) and self.beats[-1].healthy

    def complaint(self):
        return "" if not self.beats or self.beats[-1].healthy else self.beats[-1].detail

    def tool(self, name):
        return next(t for t in self.arrays[-1][1].tools if t.tool == name)


@pytest.fixture(scope="module")
def camera():
    with running_tracker("--seed", "7", "--scene", "tests.ros2.pkp_navigation.scenes:breathing_with_plate") as device:
        yield device


@pytest.fixture(scope="module")
def heard(camera, tmp_path_factory):
    need_ros()
    from pkp_bringup.nodes import NodeSpec
    from pkp_bringup.room import Room

    with ros_node() as (node, environment):
        spec = NodeSpec("tracker", "pkp_navigation", "tracker", {"port": str(camera.link)})
        room = Room((spec,), tmp_path_factory.mktemp("run"), node, environment, lambda words: None)
        listener = Listener(node, room)
        listener.node = node
        try:
            room.start()
            listener.until(lambda: listener.healthy() and len(listener.arrays) > 5)
            yield listener
        finally:
            room.end()


def test_every_frame_comes_once_with_its_stamp_and_goes_into_the_tree(heard):
    from pkp_msgs.msg import ToolPose

    heard.until(lambda: len(heard.arrays) > 120)
    numbers = [m.frame_number for _, m in heard.arrays]
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec / 1e9 for _, m in heard.arrays]
    ages = [at - stamp for (at, _), stamp in zip(heard.arrays, stamps, strict=True)]
    assert (np.diff(numbers) > 0).all()
    assert (np.diff(stamps) > 0).all()
    rate = (len(stamps) - 1) / (stamps[-1] - stamps[0])
    print(
        f"\n{rate:.1f} frames/s heard, exposure to subscriber {1e3 * np.median(ages):.1f} ms median, max {1e3 * max(ages):.0f} ms"
    )
    assert rate > 5  # 58 on an idle machine
    assert 0 < np.median(ages) < 0.3
    last = heard.arrays[-1][1]
    assert (last.header.frame_id, {t.tool: t.status for t in last.tools}) == (
        "tracker",
        dict.fromkeys(("patient_ref", "robot_ref", "probe_tip"), ToolPose.OK),
    )
    assert heard.tool("patient_ref").pose.position.z == pytest.approx(-1.45, abs=0.003)
    heard.until(lambda: any(len(m.transforms) == 3 for m in heard.tree))
    child = heard.tree[-1].transforms[0]
    assert (child.header.frame_id, child.child_frame_id) == ("tracker", "patient_ref")


def test_a_tool_out_of_sight_is_missing_and_no_fault_and_a_frozen_camera_is_one(heard, camera):
    from pkp_msgs.msg import ToolPose

    camera.fault("dropout patient_ref on")
    heard.until(lambda: heard.tool("patient_ref").status == ToolPose.MISSING)
    missing = heard.tool("patient_ref")
    assert math.isnan(missing.rms)
    assert all(math.isnan(v) for v in (missing.pose.position.x, missing.pose.orientation.w))
    assert heard.tool("probe_tip").status == ToolPose.OK
    assert heard.complaint() == ""
    camera.fault("dropout patient_ref off")
    heard.until(lambda: heard.tool("patient_ref").status == ToolPose.OK)

    camera.fault("freeze on")
    heard.until(lambda: "to the last bit" in heard.complaint())
    before = len(heard.arrays)
    heard.until(lambda: len(heard.arrays) > before + 5)
    assert all(t.status != ToolPose.OK for _, m in heard.arrays[before:] for t in m.tools)
    camera.fault("freeze off")
    heard.until(heard.healthy)

    camera.fault("halt on")
    heard.until(lambda: "no new frame" in heard.complaint())
    camera.fault("halt off")
    heard.until(heard.healthy)


def test_a_cut_cable_is_said_and_mended_without_an_old_pose(heard, camera):
    camera.fault("cut on")
    heard.until(lambda: heard.complaint() != "")
    cut = time.time()
    camera.fault("cut off")
    heard.until(lambda: heard.healthy())
    after = len(heard.arrays)
    heard.until(lambda: len(heard.arrays) > after + 5)
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec / 1e9 for _, m in heard.arrays]
    assert (np.diff(stamps) > 0).all()
    assert stamps[-1] > cut


@pytest.fixture
def says(heard):
    """Says what the supervisor says of a latched stop."""
    from pkp_lifecycle import names
    from pkp_lifecycle.node import KEPT
    from pkp_msgs.msg import SafetyState

    safety = heard.node.create_publisher(SafetyState, names.SAFETY, KEPT)
    yield lambda epoch, acknowledged: safety.publish(SafetyState(stop_latched=True, epoch=epoch, acknowledged=acknowledged))
    heard.node.destroy_publisher(safety)


def twenty_frames(heard):
    before = len(heard.arrays)
    heard.until(lambda: len(heard.arrays) > before + 20)


def stays_refused(heard):
    from pkp_msgs.msg import ToolPose

    twenty_frames(heard)
    return heard.tool("patient_ref").status == ToolPose.DEVICE_ERROR


def well(heard):
    from pkp_msgs.msg import ToolPose

    return heard.healthy() and heard.tool("patient_ref").status == ToolPose.OK


def test_a_jump_waits_for_the_operators_acknowledgement_of_a_stop(heard, camera, says):
    camera.fault("jump patient_ref 0 0 12")
    heard.until(lambda: "patient_ref moved" in heard.complaint())
    says(3, False)
    assert stays_refused(heard)
    says(3, True)
    heard.until(lambda: well(heard))


def test_a_jump_that_is_hidden_when_its_stop_is_acknowledged_is_acknowledged_with_it(heard, camera, says):
    from pkp_msgs.msg import ToolPose

    camera.fault("jump patient_ref 0 0 24")
    heard.until(lambda: "patient_ref moved" in heard.complaint())
    camera.fault("dropout patient_ref on")
    heard.until(lambda: heard.tool("patient_ref").status == ToolPose.MISSING)
    says(4, True)
    twenty_frames(heard)
    camera.fault("dropout patient_ref off")
    heard.until(lambda: well(heard))


def test_a_jump_after_the_stop_was_acknowledged_waits_for_another_stop(heard, camera, says):
    says(5, True)
    twenty_frames(heard)
    camera.fault("jump patient_ref 0 0 36")
    heard.until(lambda: "patient_ref moved" in heard.complaint() and "stop again" in heard.complaint())
    says(5, True)
    assert stays_refused(heard)
    says(6, False)
    assert stays_refused(heard)
    says(6, True)
    heard.until(lambda: well(heard))
