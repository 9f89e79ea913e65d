"""The simulated arm as a foreign client sees it, over real middleware; and the room's devices as ./pkp up starts them."""

import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

from hardware_sim.room import RoomSpec
from hardware_sim.room.control import RoomOperator
from hardware_sim.room.shared import RoomReader
from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def room():
    """Arm and camera of one room, started as ./pkp up does: (node, clients, sim folder, children)."""
    need_ros()
    from pkp_bringup.nodes import SimulatedRoom, simulated_devices
    from pkp_bringup.room import Room

    with tempfile.TemporaryDirectory(dir="/tmp") as name, ros_node() as (node, environment):
        folder = Path(name)
        spec = RoomSpec(seed=3)
        spec.write(folder)
        specs = simulated_devices("sim", SimulatedRoom(folder, spec.seed, spec.epoch_s))
        running = Room(specs, folder / "run", node, {**environment, "OPENPKP_SIM": str(folder)}, lambda words: None)
        try:
            running.start()
            lines = (folder / "room.control", folder / "tracker", folder / "injector")
            until(lambda: all(path.exists() for path in lines), running.clients.spin)
            yield node, running.clients, folder, running
        finally:
            running.end()
        assert not any(path.exists() for path in lines)


@pytest.fixture
def arm(room):
    """(spin, states heard, publisher, operator); the arm is unlocked before and after."""
    from pkp_lifecycle import names
    from pkp_lifecycle.node import LATEST
    from sensor_msgs.msg import JointState
    from std_msgs.msg import Float64MultiArray

    node, clients, folder, _ = room
    heard = []
    subscription = node.create_subscription(JointState, names.JOINT_STATES, heard.append, LATEST)
    commands = node.create_publisher(Float64MultiArray, names.JOINT_COMMANDS, 8)
    with RoomOperator(folder) as operator:
        operator.ask(do="unlock")
        until(lambda: heard and commands.get_subscription_count(), clients.spin)
        yield clients.spin, heard, commands, operator
        operator.ask(do="unlock")
    node.destroy_subscription(subscription)
    node.destroy_publisher(commands)


def stream(arm, way):
    """Send each row of joints, one for each state heard."""
    from std_msgs.msg import Float64MultiArray

    spin, heard, commands, _ = arm
    for row in way:
        count = len(heard)
        commands.publish(Float64MultiArray(data=list(row)))
        until(lambda count=count: len(heard) > count, spin)


def test_streamed_positions_are_followed_and_states_are_fresh(arm, room):
    from pkp_simulation.trajectory import JOINT_NAMES

    spin, heard, _, _ = arm
    node, folder = room[0], room[2]
    start = np.array(heard[-1].position)
    reader = RoomReader(folder, RoomSpec.read(folder).epoch_s)
    before = reader.poses(RoomSpec.read(folder).now_s())[1].translation_mm
    share = np.linspace(0, 1, 60) ** 2 * (3 - 2 * np.linspace(0, 1, 60))
    stream(arm, start + share[:, None] * [0.05, 0, 0, 0, 0, 0])
    until(lambda: abs(heard[-1].position[0] - start[0] - 0.05) < 1e-3, spin)
    assert heard[-1].name == list(JOINT_NAMES)
    age_s = node.get_clock().now().nanoseconds * 1e-9 - heard[-1].header.stamp.sec - heard[-1].header.stamp.nanosec * 1e-9
    assert 0 <= age_s < 1.0
    stamps = np.array([m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in heard])
    assert (np.diff(stamps) >= 0).all()
    moved = reader.poses(RoomSpec.read(folder).now_s())[1].translation_mm - before
    assert np.linalg.norm(moved) > 10


def test_what_was_streamed_smoothly_while_the_process_was_held_up_is_no_jump(arm, room):
    """The machine took the simulator's processor away for 70 ms, and the newest eight of nine setpoints looked like a jerk."""
    from std_msgs.msg import Float64MultiArray

    spin, heard, commands, operator = arm
    start = np.array(heard[-1].position)
    share = np.linspace(0, 1, 60) ** 2 * (3 - 2 * np.linspace(0, 1, 60))
    way = start + share[:, None] * [0.1, 0, 0, 0, 0, 0]
    stream(arm, way[:20])
    (simulator,) = (child for child in room[3].children if child.spec.name == "arm_sim")
    os.kill(simulator.process.pid, signal.SIGSTOP)
    try:
        for row in way[20:40]:
            commands.publish(Float64MultiArray(data=list(row)))
    finally:
        os.kill(simulator.process.pid, signal.SIGCONT)
    until(lambda: abs(heard[-1].position[0] - way[39, 0]) < 1e-3, spin)
    stream(arm, way[40:])
    assert operator.ask(do="status")["arm_mode"] == "running"
    until(lambda: abs(heard[-1].position[0] - way[-1, 0]) < 1e-3, spin)


def test_a_protective_stop_takes_no_commands_until_it_is_released(arm):
    spin, heard, _, operator = arm
    start = np.array(heard[-1].position)
    operator.ask(do="arm", fault="protective_stop")
    stream(arm, start + np.linspace(0, 0.01, 30)[:, None])
    assert np.abs(np.array(heard[-1].position) - start).max() < 1e-3
    assert operator.ask(do="status")["arm_mode"] == "protective_stop"
    assert not follow(arm, spin, start).accepted
    operator.ask(do="unlock")
    jump = start + 0.1
    stream(arm, [jump, jump])
    assert "first command" in operator.ask(do="status")["arm_stop_reason"]
    stream(arm, [start * np.nan, start])
    assert np.abs(np.array(heard[-1].position) - start).max() < 1e-3


def follow(arm, spin, goal, seconds=1.0, names_=None, node=[]):  # noqa: B006 -- the fixture's node, kept
    """Send a goal of one point; the handle once it is answered."""
    from control_msgs.action import FollowJointTrajectory
    from pkp_simulation.trajectory import JOINT_NAMES
    from rclpy.duration import Duration
    from trajectory_msgs.msg import JointTrajectoryPoint

    client = node[0]
    until(client.server_is_ready, spin)
    message = FollowJointTrajectory.Goal()
    message.trajectory.joint_names = list(names_ or JOINT_NAMES)
    point = JointTrajectoryPoint(positions=list(goal), velocities=[0.0] * 6, time_from_start=Duration(seconds=seconds).to_msg())
    message.trajectory.points = [point]
    sent = client.send_goal_async(message)
    until(sent.done, spin)
    return sent.result()


@pytest.fixture(autouse=True)
def trajectories(room):
    from control_msgs.action import FollowJointTrajectory
    from pkp_lifecycle import names
    from rclpy.action import ActionClient

    client = ActionClient(room[0], FollowJointTrajectory, names.FOLLOW_TRAJECTORY)
    follow.__defaults__[-1][:] = [client]
    yield
    client.destroy()


def result(handle, spin):
    future = handle.get_result_async()
    until(future.done, spin)
    return future.result()


def test_trajectories_arrive_are_cancelled_and_refused(arm):
    from action_msgs.msg import GoalStatus

    spin, heard, _, operator = arm
    start = np.array(heard[-1].position)
    goal = start + [0.0, 0.0, 0.0, 0.0, 0.0, 0.1]
    done = result(follow(arm, spin, goal), spin)
    assert (done.status, done.result.error_code) == (GoalStatus.STATUS_SUCCEEDED, 0)
    assert np.abs(np.array(heard[-1].position) - goal).max() < 0.01

    handle = follow(arm, spin, start, seconds=20.0)
    handle.cancel_goal_async()
    assert result(handle, spin).status == GoalStatus.STATUS_CANCELED
    here = np.array(heard[-1].position)
    count = len(heard)
    until(lambda: len(heard) > count + 40, spin)
    assert np.abs(np.array(heard[-1].position) - here).max() < 0.01

    wrong = result(follow(arm, spin, start, names_=["knee"] * 6), spin)
    assert (wrong.status, wrong.result.error_code) == (GoalStatus.STATUS_ABORTED, -2)
    handle = follow(arm, spin, start, seconds=20.0)
    operator.ask(do="arm", fault="protective_stop")
    stopped = result(handle, spin)
    assert (stopped.status, stopped.result.error_code) == (GoalStatus.STATUS_ABORTED, -4)
    assert "protective_stop" in stopped.result.error_string


def test_the_truth_is_told_for_tests(arm, room):
    from pkp_lifecycle import names
    from tf2_msgs.msg import TFMessage

    spin = arm[0]
    told = []
    subscription = room[0].create_subscription(TFMessage, names.SIM_TRUTH_TF, told.append, 10)
    until(lambda: len(told) > 3, spin)
    room[0].destroy_subscription(subscription)
    found = {t.child_frame_id: t for t in told[-1].transforms}
    assert set(found) == {"truth_ct_lps", "truth_guide_tip", "truth_patient_ref", "truth_tracker", "truth_robot_base"}
    assert found["truth_robot_base"].transform.translation.y == pytest.approx(-0.45)
    assert all(t.header.frame_id == "world" for t in told[-1].transforms)


def test_the_camera_sees_the_plate_where_the_arm_holds_it(arm, room):
    """Our driver on the device's serial line, against the room's truth at the frame's own time."""
    import threading

    from pkp_navigation.ndi_tracker import NdiTracker
    from pkp_navigation.tool_pose import ToolStatus
    from pkp_navigation.tracker_config import ToolConfig, TrackerConfig

    from hardware_sim.room import Room
    from hardware_sim.room.scene import tools

    folder = room[2]
    truth = Room(folder)
    wanted = tuple(ToolConfig(name=t.name, markers_mm=tuple(map(tuple, t.markers_mm.tolist()))) for t in tools().values())
    stream = NdiTracker(TrackerConfig(port=str(folder / "tracker"), tools=wanted)).readings(threading.Event())
    seen = {}
    try:
        for reading in stream:
            seen |= {pose.tool: pose for pose in reading.poses if pose.status is ToolStatus.TRACKED}
            if {"robot_ref", "patient_ref"} <= set(seen):
                break
    finally:
        stream.close()
    truth.hear()
    eye = truth.layout.world_from_tracker.inverse()
    for name in ("robot_ref", "patient_ref"):
        at = seen[name].acquired_monotonic_s - truth.spec.epoch_s
        world = truth.arm(at)[0] if name == "robot_ref" else truth.motion.world_from_patient_ref(at)
        off = seen[name].T_tracker_tool.translation_mm - eye.apply(world.translation_mm)
        assert np.linalg.norm(off) < 3.0
    assert "probe_tip" not in seen


def test_a_wrong_folder_ends_the_controller_with_its_reason(room, tmp_path):
    from pkp_bringup.nodes import NodeSpec
    from pkp_bringup.processes import start

    wrong = {"room.json": {"sim_folder": str(tmp_path)}, "from 50 to 500": {"sim_folder": "x", "rate_hz": 1.0}}
    started = []
    for n, (word, parameters) in enumerate(wrong.items()):
        spec = NodeSpec(f"arm_sim_{n}", "pkp_simulation", "arm_controller", parameters)
        started.append((word, start(spec, tmp_path, room[3]._environment)))
    for word, bad in started:
        assert bad.process.wait(60.0) == 2
        assert word in bad.last_words()
