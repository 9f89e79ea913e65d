"""Separate processes over the real middleware."""

import hashlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros
WATCHED = ("tracker", "arm", "injector", "registration", "verification")


@pytest.fixture
def ros():
    with ros_node() as made:
        yield made


@pytest.fixture
def room(ros, tmp_path):
    """Makes rooms of the nodes named, and ends them whatever happens."""
    from pkp_bringup.nodes import bring_up
    from pkp_bringup.room import Room

    node, environment = ros
    made = []

    def make(*names):
        specs = tuple(s for s in bring_up("sim", tmp_path / "run") if s.name in names)
        made.append(Room(specs, tmp_path / "run", node, environment, lambda words: None))
        return made[-1]

    yield make
    for one in made:
        one.end()


def child(room, name):
    return next(c for c in room.children if c.spec.name == name)


def call(room, node, kind, name, request, deadline_s=10.0):
    client = node.create_client(kind, name)
    assert room.clients.spin(deadline_s, client.service_is_ready)
    future = client.call_async(request)
    assert room.clients.spin(deadline_s, future.done)
    node.destroy_client(client)
    return future.result()


def do(room, node, kind, name, goal, deadline_s=25.0, cancel_when=None):
    """Carry an action through: (result, status, stages)."""
    from rclpy.action import ActionClient

    stages = []
    client = ActionClient(node, kind, name)
    assert room.clients.spin(deadline_s, client.server_is_ready)
    sent = client.send_goal_async(goal, feedback_callback=lambda m: stages.append(m.feedback.stage))
    assert room.clients.spin(deadline_s, sent.done)
    handle = sent.result()
    if not handle.accepted:
        return None, None, stages
    if cancel_when is not None:
        assert room.clients.spin(deadline_s, lambda: cancel_when(stages))
        handle.cancel_goal_async()
    future = handle.get_result_async()
    assert room.clients.spin(deadline_s, future.done)
    client.destroy()
    return future.result().result, future.result().status, stages


def listen(node, kind, topic):
    from pkp_lifecycle import names
    from pkp_lifecycle.node import KEPT, LATEST

    heard = []
    node.create_subscription(kind, topic, heard.append, KEPT if topic in (names.CT, names.SAFETY) else LATEST)
    return heard


def small_ct(folder):
    rng = np.random.default_rng(1)
    hu = rng.normal(40.0, 20.0, (40, 64, 64)).astype(np.int16)
    hu[:, :12], hu[10:30, 30:40, 25:40] = -1000, 700
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((0.7, 0.8, 1.0))
    path = folder / "ct.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


def by_topic(folder):
    """Decoded messages by topic, from files that may not have been ended."""
    from pkp_supervisor.record_reader import recorded

    found = {}
    for one in recorded(folder):
        found.setdefault(one.topic, []).append(one.message)
    return found


def test_a_device_that_ends_as_it_is_started_is_named_with_its_last_words(ros, tmp_path):
    from pkp_bringup.nodes import NodeSpec, bring_up
    from pkp_bringup.room import EndedAtStartError, Room

    node, environment = ros
    broken = NodeSpec("injector_sim", "hardware_sim", "injector", arguments=("--link", "x", "--nonsense"), lifecycle=False)
    recorder = next(s for s in bring_up("sim", tmp_path) if s.name == "recorder")  # takes longer to come up
    room = Room((broken, recorder), tmp_path, node, environment, lambda words: None)
    try:
        with pytest.raises(EndedAtStartError, match="--nonsense") as refused:
            room.start()
        assert refused.value.name == "injector_sim"
    finally:
        room.end()


def test_up_in_order_ingest_and_down_in_reverse(room, ros, tmp_path):
    need_ros()
    from pkp_lifecycle import names
    from pkp_msgs.action import IngestCt, PlanCase
    from pkp_msgs.msg import CtReference

    node, _ = ros
    cts = listen(node, CtReference, names.CT)
    whole = room("recorder", "ct_ingest", "planner", "supervisor")
    whole.start()
    assert {c.spec.name: whole.clients.state(c.spec.name) for c in whole.children} == dict.fromkeys(
        ("recorder", "ct_ingest", "planner", "supervisor"), "active"
    )

    result, _, stages = do(whole, node, IngestCt, names.INGEST_CT, IngestCt.Goal(source=str(tmp_path / "none")))
    assert result.error_code == "unreadable"
    result, status, stages = do(whole, node, IngestCt, names.INGEST_CT, IngestCt.Goal(source=str(small_ct(tmp_path))))
    assert (status, stages[-1], result.error_code) == (4, "read", "")
    np.testing.assert_allclose(result.ct.spacing, [1.0e-3, 0.8e-3, 0.7e-3], rtol=1e-5)
    assert list(result.ct.shape) == [40, 64, 64]
    until(lambda: cts and cts[-1].ct_sha256 == result.ct.ct_sha256, whole.clients.spin)

    goal = PlanCase.Goal(source=str(tmp_path / "ct.nii.gz"), case_path=str(tmp_path / "case"), level="L1", timeout=60.0)
    result, status, _ = do(whole, node, PlanCase, names.PLAN_CASE, goal, cancel_when=bool)
    assert (status, result.error_code, result.plan.plan_hash) == (5, "cancelled", "")
    refused, _, _ = do(whole, node, PlanCase, names.PLAN_CASE, PlanCase.Goal(timeout=float("nan")))
    assert refused is None

    whole.end()
    assert [c.process.returncode for c in whole.children] == [0, 0, 0, 0]
    heard = by_topic(tmp_path / "run/record")
    assert heard[names.CT][-1].ct_sha256 == cts[-1].ct_sha256
    assert heard[names.STATE_COMMAND][-1].command == 0
    assert {b.node for b in heard[names.HEARTBEAT]} >= {"/ct_ingest", "/supervisor", "/planner", "/recorder"}


def test_a_killed_supervisor_comes_back_latched_and_says_where_it_was(room, ros, tmp_path):
    need_ros()
    from pkp_lifecycle import names
    from pkp_msgs.msg import Heartbeat, SafetyState, StateCommand
    from pkp_msgs.srv import Acknowledge, Advance, Rearm, Stop

    node, _ = ros
    safety, commands = listen(node, SafetyState, names.SAFETY), listen(node, StateCommand, names.STATE_COMMAND)
    speak = node.create_publisher(Heartbeat, names.HEARTBEAT, 10)

    def beat():
        for name in WATCHED:
            word = Heartbeat(node=f"/{name}", healthy=True)
            word.header.stamp = node.get_clock().now().to_msg()
            speak.publish(word)

    node.create_timer(0.05, beat)

    first = room("supervisor")
    first.start()
    advance = Advance.Request(operator_id="dr", phase=1)
    until(lambda: safety and all(w.age < w.limit for w in safety[-1].watchdogs), first.clients.spin)
    assert call(first, node, Advance, names.ADVANCE, advance).accepted
    answer = call(first, node, Advance, names.ADVANCE, Advance.Request(operator_id="dr", phase=2))
    assert (answer.accepted, answer.error_code, answer.waits_for) == (False, "conditions_not_met", ["CT ingested"])
    until(lambda: commands and commands[-1].phase == 1, first.clients.spin)
    identity = commands[-1].supervisor

    child(first, "supervisor").process.send_signal(signal.SIGKILL)
    child(first, "supervisor").process.wait()
    safety.clear()
    second = room("supervisor")
    second.start()
    until(lambda: safety and commands[-1].supervisor != identity, second.clients.spin)
    assert (safety[-1].stop_latched, safety[-1].epoch, safety[-1].reason) == (True, 1, "supervisor: restarted in ingest")
    assert not (safety[-1].motion_permitted)
    assert not (safety[-1].flow_permitted)
    assert not call(second, node, Rearm, names.REARM, Rearm.Request(operator_id="dr", epoch=1)).accepted
    assert not call(second, node, Acknowledge, names.ACKNOWLEDGE, Acknowledge.Request(operator_id="dr", epoch=0)).accepted
    assert call(second, node, Acknowledge, names.ACKNOWLEDGE, Acknowledge.Request(operator_id="dr", epoch=1)).accepted
    back = call(second, node, Rearm, names.REARM, Rearm.Request(operator_id="dr", epoch=1))
    assert (back.accepted, back.phase) == (True, 1)
    assert call(second, node, Stop, names.STOP, Stop.Request(source="operator", reason="button")).epoch == 2

    intruder = node.create_publisher(StateCommand, names.STATE_COMMAND, 1)
    until(
        lambda: "another supervisor" in safety[-1].reason,
        lambda s: (intruder.publish(StateCommand(supervisor="me", motion_permitted=True)), second.clients.spin(s)),
    )


def test_a_killed_recorder_leaves_a_readable_record(room, ros, tmp_path):
    need_ros()
    from pkp_lifecycle import names
    from pkp_msgs.msg import RecorderState, ToolPose, ToolPoseArray

    node, _ = ros
    states = listen(node, RecorderState, names.RECORDER)
    tools = node.create_publisher(ToolPoseArray, names.TOOLS, 10)
    one = room("recorder")
    one.start()
    sent = []

    def send(seconds):
        sent.append(len(sent))
        tools.publish(ToolPoseArray(frame_number=sent[-1], tools=[ToolPose(tool="patient_ref", rms=1e-4)]))
        one.clients.spin(seconds)

    until(lambda: states and states[-1].messages > 150, send)
    child(one, "recorder").process.send_signal(signal.SIGKILL)
    child(one, "recorder").process.wait()
    frames = [m.frame_number for m in by_topic(tmp_path / "run/record")[names.TOOLS]]
    assert len(frames) > 5
    assert frames == list(range(frames[0], frames[-1] + 1))


def test_a_bad_parameter_ends_the_node_with_its_name_and_range(room, ros, tmp_path):
    need_ros()
    import attrs
    from pkp_bringup.nodes import bring_up
    from pkp_bringup.processes import start

    _, environment = ros
    spec = bring_up("sim", tmp_path)[-1]
    bad = start(attrs.evolve(spec, parameters={**spec.parameters, "rate_hz": 1.0}), tmp_path, environment)
    assert bad.process.wait(30.0) == 2
    assert "rate_hz" in bad.last_words()
    assert "from 20 to 200" in bad.last_words()


def test_every_node_can_be_put_out_of_work_and_back_to_work(room):
    from pkp_bringup.lifecycle import ACTIVATE, DEACTIVATE

    names = ("recorder", "ct_ingest", "planner", "registration", "arm", "verification", "supervisor")
    one = room(*names)
    one.start()
    for name in names:
        for _ in range(2):
            one.clients.change(name, DEACTIVATE)
            one.clients.change(name, ACTIVATE)
        assert one.clients.state(name, 5.0) == "active"


EPHEMERAL = 32768
"""From here on the kernel numbers sockets that only send: what comes to them is never read."""


def listening(pid):
    """Local addresses at which a process hears, as the kernel writes them."""
    own = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("udp", "tcp", "udp6", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            address, port = words[1].rsplit(":", 1)
            if f"socket:[{words[9]}]" in own and int(port, 16) < EPHEMERAL:
                found.add(address)
    return found


def test_no_node_hears_what_comes_from_another_machine(room):
    one = room("supervisor")
    one.start()
    assert listening(child(one, "supervisor").process.pid) == {"0100007F"}  # 127.0.0.1


def test_the_signature_of_an_approval_is_that_of_the_message():
    from pkp_supervisor.workflow import signature

    assert signature("a" * 64, "dr") == hashlib.sha256(b"a" * 64 + b" dr").hexdigest()
