"""The injector's node over real middleware and a real pseudo-terminal; the test plays supervisor and operator."""

import signal
import threading
import time

import pytest

from tests.hardware_sim.injector.process import InjectorProcess
from tests.ros2.running import ros_node, until
from tests.ros2.small_plan import path, sealed_plan

pytestmark = [pytest.mark.ros, pytest.mark.slow]
INJECT, STOPPED, WITHDRAW = 8, 11, 9
SPEED = 5.0
# this machine may be busy; what is tested is who stops whom
EASY = {"timeout_s": 0.4, "oldest_s": 0.5, "blind_s": 0.5, "watchdog_s": 1.0, "press_s": 0.5, "permit_s": 0.5}


class Bedside:
    """Injector, its node, and a supervisor and operator that do as they are told."""

    def __init__(self, node, environment, folder, **strict):
        from pkp_bringup.nodes import NodeSpec
        from pkp_bringup.room import Room
        from pkp_lifecycle import names
        from pkp_lifecycle.node import LATEST
        from pkp_msgs import msg
        from pkp_msgs.action import Inject
        from pkp_msgs.srv import Stop
        from rclpy.action import ActionClient

        self.msg, self.node, self.folder, self.Inject = msg, node, folder, Inject
        self.process = InjectorProcess(folder, "--speed", str(SPEED)).start()
        plan = sealed_plan(path("left", (0, 0, 0), (0, 45, 0)), path("right", (20, 0, 0), (20, 45, 0)))
        (folder / "plan.json").write_text(plan.to_json())
        self.plan = msg.PlanReference(case_path=str(folder), plan_hash=plan.plan_hash, level="L1", sides=["left", "right"])
        parameters = {"port": str(self.process.link), "journal_folder": str(folder), **EASY, **strict}
        spec = NodeSpec("injector", "pkp_control", "injector", parameters)
        self.make = lambda: Room((spec,), folder / "run", node, environment, lambda words: None)
        self.phase, self.epoch, self.side, self.speaking, self.sequence = INJECT, 0, "left", True, 0
        self.pressed, self.presses, self.press_side, self.press_epoch, self.word_age_s = False, 0, None, None, 0.0
        self.states, self.operating, self.asked = [], [], []
        node.create_subscription(msg.InjectorState, names.INJECTOR, self.states.append, 10)
        node.create_subscription(msg.OperatingState, names.INJECTOR_STATE, self.operating.append, 10)
        node.create_service(Stop, names.STOP, self.on_stop)
        self.command = node.create_publisher(msg.StateCommand, names.STATE_COMMAND, LATEST)
        self.switch = node.create_publisher(msg.HoldToRun, names.HOLD_TO_RUN, 10)
        self.client = ActionClient(node, Inject, names.INJECT)
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.every, args=beat) for beat in ((0.02, self.speak), (0.05, self.hold))]
        for thread in self.threads:  # whatever the test waits for, the supervisor speaks on
            thread.start()
        self.rooms = []
        self.up()

    def up(self):
        self.rooms.append(self.make())
        self.rooms[-1].start()
        self.states.clear()
        self.until(lambda: self.states and self.client.server_is_ready())

    def every(self, seconds, act):
        while not self.ended.wait(seconds):
            act()

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        for room in self.rooms:
            room.end()
        self.process.end()

    def spin(self, seconds):
        self.rooms[-1].clients.spin(seconds)

    def until(self, condition):
        until(condition, self.spin)

    def on_stop(self, request, response):
        self.asked.append((request.source, request.reason))
        self.stop()
        response.epoch = self.epoch
        return response

    def stop(self):
        if self.phase != STOPPED:
            self.phase, self.epoch = STOPPED, self.epoch + 1

    def rearm(self):
        self.phase = INJECT

    def speak(self):
        from rclpy.duration import Duration

        if not self.speaking:
            return
        self.sequence += 1
        flow = self.phase == INJECT
        word = self.msg.StateCommand(
            supervisor="test", sequence=self.sequence, epoch=self.epoch, flow_permitted=flow, phase=self.phase, plan=self.plan,
            side=self.side, command=1 if flow else 0,
        )  # fmt: skip
        word.header.stamp = (self.node.get_clock().now() - Duration(seconds=self.word_age_s)).to_msg()
        self.command.publish(word)

    def hold(self):
        self.presses += 1
        self.send_press(self.presses, self.pressed)

    def send_press(self, sequence, pressed, age_s=0.0):
        from rclpy.duration import Duration

        word = self.msg.HoldToRun(operator_id="dr", sequence=sequence, pressed=pressed)
        word.side = self.press_side or self.side
        word.epoch = self.epoch if self.press_epoch is None else self.press_epoch
        word.header.stamp = (self.node.get_clock().now() - Duration(seconds=age_s)).to_msg()
        self.switch.publish(word)

    def goal(self, ml=1.0, **other):
        from rclpy.duration import Duration

        fields = {"plan": self.plan, "side": self.side, "epoch": self.epoch, "volume": ml * 1e-6, **other}
        mixed = (self.node.get_clock().now() - Duration(seconds=240.0)).to_msg()
        return self.Inject.Goal(mixed_at=mixed, **fields)

    def send(self, goal):
        sent = self.client.send_goal_async(goal)
        self.until(sent.done)
        return sent.result()

    def result(self, handle):
        future = handle.get_result_async()
        self.until(future.done)
        return future.result().result, future.result().status

    def refused(self, goal):
        handle = self.send(goal)
        assert handle.accepted
        return self.result(handle)[0].error_code

    def flowing(self, ml=1.0):
        handle = self.send(self.goal(ml))
        assert handle.accepted
        self.until(lambda: self.states[-1].state == self.msg.InjectorState.READY)
        self.pressed = True
        self.until(lambda: self.process.truth()["delivered_ml"] > 0.03)
        return handle

    def still(self):
        """Nothing moves while the operator keeps the switch closed and a good many words go by."""
        self.until(lambda: self.process.truth()["out_ml_s"] == 0)
        before, count = self.process.truth(), self.sequence + len(self.states)
        self.until(lambda: self.sequence + len(self.states) > count + 20)
        after = self.process.truth()
        return (before["pushed_ml"], before["delivered_ml"]) == (after["pushed_ml"], after["delivered_ml"])

    def stops_within(self):
        """Seconds until nothing flows any more, from now; without spinning, so that nobody speaks meanwhile."""
        begun = time.monotonic()
        while self.process.truth()["out_ml_s"] > 0:
            assert time.monotonic() < begun + 10
        return time.monotonic() - begun


@pytest.fixture
def bedside(tmp_path, request):
    with ros_node() as (node, environment):
        beside = Bedside(node, environment, tmp_path, **getattr(request, "param", {}))
        yield beside
        beside.end()


def given(bedside):
    return bedside.process.truth()["delivered_ml"]


def test_both_sides_get_their_share_and_no_side_gets_it_twice(bedside):
    assert bedside.refused(bedside.goal(1.01)) == "dose_refused"
    assert bedside.refused(bedside.goal(float("nan"))) == "dose_refused"
    assert bedside.refused(bedside.goal(epoch=3)) == "old_epoch"
    assert bedside.refused(bedside.goal(side="right")) == "wrong_plan"
    assert bedside.refused(bedside.goal(pressure_limit=-1.0)) == "limit_refused"
    result, status = bedside.result(bedside.flowing(1.0))
    assert (status, result.error_code) == (4, "")
    # what was armed is said from the first drop on, and is no running count
    assert {round(s.ordered_volume * 1e6, 6) for s in bedside.states if s.state == s.INJECTING} == {1.0}
    assert given(bedside) == pytest.approx(1.0, abs=0.05)
    assert result.delivered_volume == pytest.approx(1e-6, abs=0.05e-6)
    assert bedside.refused(bedside.goal()) == "injection_refused"
    assert bedside.still()
    bedside.pressed, bedside.side = False, "right"
    bedside.until(lambda: bedside.states[-1].side == "right")  # the node has heard so
    result, status = bedside.result(bedside.flowing(0.5))
    assert (status, result.error_code) == (4, "")
    assert given(bedside) == pytest.approx(1.5, abs=0.1)
    bedside.until(lambda: bedside.states[-1].side == "right" and bedside.states[-1].state == bedside.states[-1].DONE)
    assert bedside.states[-1].total_volume == pytest.approx(1.5e-6, abs=0.1e-6)
    assert bedside.asked == []


def test_the_switch(bedside):
    """Released, silent, replayed, stale, for another side or epoch: each is a release."""
    state = bedside.msg.InjectorState
    handle = bedside.flowing()
    for release in ("open", "replayed", "old", "other side", "other epoch"):
        bedside.until(lambda: bedside.states[-1].state == state.INJECTING)
        if release in ("open", "replayed", "old"):
            bedside.pressed = False
        elif release == "other side":
            bedside.press_side = "right"
        else:
            bedside.press_epoch = 7
        bedside.until(lambda: bedside.states[-1].state == state.HOLDING)
        if release == "replayed":
            count = len(bedside.states)
            bedside.until(lambda n=count: (bedside.send_press(3, True), len(bedside.states) > n + 10)[1])
        if release == "old":
            count = len(bedside.states)
            bedside.until(lambda n=count: (bedside.send_press(bedside.presses + 1, True, 0.8), len(bedside.states) > n + 10)[1])
        assert bedside.still()
        assert bedside.states[-1].state == state.HOLDING
        bedside.press_side = bedside.press_epoch = None
        bedside.pressed = False
        bedside.presses += 1000
        seen = bedside.presses
        bedside.until(lambda n=seen: bedside.presses > n + 3)
        bedside.pressed = True
    result, status = bedside.result(handle)
    assert (status, result.error_code) == (4, "")
    assert given(bedside) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("bedside", [{"permit_s": 0.25}], indirect=True)
def test_silence_of_the_supervisor_stops_the_flow(bedside):
    handle = bedside.flowing()
    bedside.speaking = False
    took = bedside.stops_within()
    print(f"silence to no flow: {took * 1000:.0f} ms")
    assert took < 0.75
    result, _ = bedside.result(handle)
    assert result.error_code == "ordered"
    assert result.delivered_volume * 1e6 == pytest.approx(given(bedside), abs=0.05)
    # it speaks again as if nothing had been: the node asks for the stop that it has missed, and stays stopped until re-armed
    bedside.speaking = True
    bedside.until(lambda: bedside.asked)
    assert bedside.asked[0][0] == "injector"
    assert "last heard 0." in bedside.asked[0][1]
    assert bedside.still()


def test_words_of_the_supervisor_that_lay_about_permit_nothing(bedside):
    """As they come out of a queue, or out of a record, while nobody supervises any more."""
    bedside.word_age_s = 5.0
    heard = bedside.sequence
    bedside.until(lambda: bedside.sequence > heard + 20)
    assert bedside.refused(bedside.goal()) == "stale"
    bedside.word_age_s = 0.0
    heard = bedside.sequence
    bedside.until(lambda: bedside.sequence > heard + 20)
    handle = bedside.flowing()
    bedside.word_age_s = 5.0
    assert bedside.result(handle)[0].error_code == "ordered"
    assert bedside.still()


def test_put_out_of_work_and_back_to_work_it_is_stopped_until_a_rearm_and_then_delivers(bedside):
    from pkp_bringup.lifecycle import ACTIVATE, DEACTIVATE

    bedside.flowing()
    clients = bedside.rooms[-1].clients
    clients.change("injector", DEACTIVATE)
    assert bedside.still()
    bedside.stop()
    bedside.pressed = False
    clients.change("injector", ACTIVATE)
    assert bedside.still()
    bedside.rearm()
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.IDLE)
    result, status = bedside.result(bedside.flowing())
    assert (status, result.error_code) == (4, "")
    assert given(bedside) == pytest.approx(1.0, abs=0.05)


def test_a_new_epoch_ends_the_goal_and_only_a_rearm_lets_another_one_begin(bedside):
    handle = bedside.flowing()
    bedside.stop()
    assert bedside.result(handle)[0].error_code == "ordered"
    assert bedside.still()
    assert bedside.refused(bedside.goal()) == "not_permitted"
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.STOPPED)
    assert bedside.operating[-1].state == bedside.msg.OperatingState.PAUSED
    bedside.rearm()
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.IDLE)
    assert bedside.still()
    assert bedside.asked == []
    before = given(bedside)
    bedside.pressed = False
    assert before < 0.9
    result, status = bedside.result(bedside.flowing())
    assert (status, result.error_code) == (4, "")
    assert given(bedside) == pytest.approx(1.0, abs=0.05)


def test_a_line_cut_or_an_emergency_stop_is_told_to_the_supervisor(bedside):
    handle = bedside.flowing()
    bedside.process.control(line="cut")
    result, _ = bedside.result(handle)
    assert result.error_code == "line"
    bedside.until(lambda: bedside.asked)
    bedside.process.control(line="up")
    bedside.rearm()
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.IDLE)
    bedside.pressed = False
    handle = bedside.send(bedside.goal())
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.READY)
    bedside.process.control(trouble="e_stop", value=1)
    bedside.until(lambda: bedside.operating[-1].state == bedside.msg.OperatingState.FAULT)
    bedside.stop()
    bedside.rearm()  # with the button still pressed
    assert bedside.result(handle)[0].error_code == "e_stop"
    assert bedside.still()
    assert bedside.operating[-1].state == bedside.msg.OperatingState.FAULT
    bedside.process.control(trouble="e_stop", value=0)
    bedside.stop()
    bedside.until(lambda: bedside.operating[-1].state == bedside.msg.OperatingState.PAUSED)
    bedside.rearm()
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.IDLE)
    assert bedside.operating[-1].state == bedside.msg.OperatingState.DISABLED


def test_a_node_killed_in_mid_delivery_comes_back_stopped_and_knows_the_volume(bedside):
    bedside.flowing()
    child = bedside.rooms[-1].children[0].process
    child.send_signal(signal.SIGKILL)
    child.wait()
    bedside.until(lambda: bedside.process.truth()["out_ml_s"] == 0)
    bedside.stop()  # its heartbeat is missed
    bedside.up()
    state = bedside.msg.InjectorState
    # the device's own watchdog stopped it, which the supervisor has latched: told as stopped, or as fault until it has heard so
    bedside.until(lambda: bedside.states[-1].state in (state.STOPPED, state.FAULT) and bedside.states[-1].delivered_volume > 0)
    assert bedside.states[-1].delivered_volume * 1e6 == pytest.approx(given(bedside), abs=0.05)
    assert bedside.still()
    bedside.pressed = False
    bedside.rearm()
    bedside.until(lambda: bedside.states[-1].state == state.IDLE)
    result, status = bedside.result(bedside.flowing())
    assert (status, result.error_code) == (4, "")
    assert given(bedside) == pytest.approx(1.0, abs=0.05)


def test_going_on_without_the_rest_of_a_dose_is_no_stop(bedside):
    handle = bedside.flowing()
    bedside.pressed = False
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.HOLDING)
    bedside.phase = WITHDRAW
    result, _ = bedside.result(handle)
    assert result.error_code in ("given_up", "ordered")
    bedside.until(lambda: bedside.states[-1].state == bedside.msg.InjectorState.IDLE)
    assert bedside.asked == []


def test_called_off_it_is_a_stop(bedside):
    handle = bedside.flowing()
    handle.cancel_goal_async()
    result, status = bedside.result(handle)
    assert (status, result.error_code) == (5, "ordered")
    bedside.until(lambda: bedside.asked)
    assert bedside.asked[0] == ("injector", "the operator called it off")
    assert bedside.still()
